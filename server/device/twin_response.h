#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/base/time.h"
#include "storage/records.h"

// What a device receives on $iothub/twin/ topics (spec device-mqtt.md 6.1 to 6.5), always with QoS 0. A
// request id is echoed as it came; it stands first since some clients read by position.
namespace kyanite {

struct TwinResponse {
  std::string topic;
  std::string body;
};

// 200 with the desired and reported sections.
TwinResponse twin_read_response(std::string_view request_id, const TwinRecord& twin);
// 204 without a body; the new version of the reported section is in the topic.
TwinResponse reported_accepted_response(std::string_view request_id, std::uint64_t version);
// Any refusal of a request, with the status of the catalogue. Its body always has an errorCode: without one
// Node takes the request for a success.
TwinResponse twin_refused_response(std::string_view request_id, const Error& error, WallTime now);

std::string desired_notification_topic(std::uint64_t version);

}  // namespace kyanite
