#pragma once

#include <string_view>
#include <variant>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"

// The closed grammar of topics a device may publish to or subscribe to (spec device-mqtt.md section 8.1). Ids
// are compared literally: they may contain '+', '#', '$' and '%' (3.6); anywhere else in a topic '+' and '#'
// are refused. Views point into the topic given.
namespace kyanite {

struct TelemetryTopic {
  std::string_view bag;  // still encoded
};
struct TwinGetTopic {
  std::string_view request_id;  // not empty (6.2); all are at most 128 bytes, echoed as they are (4.10)
};
struct TwinPatchReportedTopic {
  std::string_view request_id;  // may be empty: applied without a response (6.2)
  std::string_view version;     // $version=..., may be empty
};
struct MethodResponseTopic {
  std::string_view status;      // a decimal 32-bit signed integer (7.2)
  std::string_view request_id;  // not empty
};
using DeviceTopic = std::variant<TelemetryTopic, TwinGetTopic, TwinPatchReportedTopic, MethodResponseTopic>;

// What `self` may publish to. Errors: Errc::topic_not_allowed for anything else, including another
// identity's.
Result<DeviceTopic> parse_device_topic(std::string_view topic, const Identity& self);

enum class FilterKind {
  c2d,
  module_inputs,  // devices/{d}/modules/{m}/# and .../inputs/#
  module_c2d,     // accepted, never delivers (5.1)
  twin_responses,
  twin_desired,
  methods,
};

// What `self` may subscribe to. Errors: Errc::topic_not_allowed (8.3).
Result<FilterKind> parse_device_filter(std::string_view filter, const Identity& self);

}  // namespace kyanite
