#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/base/time.h"
#include "protocol/topics/property_bag.h"

namespace kyanite {

// What a device sees of a cloud-to-device message beside its body. Views into the message; an empty text is a
// property that was not given.
struct C2dTopicParts {
  std::string_view device;
  std::string_view message_id;
  std::optional<WallTime> expiry;  // only when the sender gave one
  std::string_view to;             // as the sender wrote it; empty: the hub's own spelling
  std::string_view correlation_id;
  std::string_view user_id;
  std::string_view content_type;
  std::string_view content_encoding;
  std::string_view ack;                   // lower case
  std::span<const Property> application;  // in the order sent
};

// devices/{id}/messages/devicebound/{bag} (spec device-mqtt.md 5.2): system properties in the one order and
// the one spelling that every SDK reads, then those of the application; never without a bag. The caller
// bounds the length: a topic has at most limits::kTopicBytesMax bytes.
std::string c2d_topic(const C2dTopicParts& parts);

// Whether an application property of a cloud-to-device message may not have this name: it is a system
// property on the wire or in an SDK, some of which throw on it (spec device-mqtt.md 5.2). Ignores case.
bool is_reserved_c2d_name(std::string_view name);

// What the service takes as a message id or correlation id: at most 128 characters of a closed set (spec
// device-mqtt.md 4.10).
bool is_valid_message_id(std::string_view id);

}  // namespace kyanite
