#include "server/hub/c2d_message.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/topics/c2d_topic.h"

namespace kyanite {
namespace {

// Spec device-mqtt.md 4.5: the body, values of system properties, names and values of the application's.
std::size_t counted_bytes(const C2dMessage& message) {
  std::size_t bytes = message.body.size() + message.header.message_id.size() + message.to.size() +
                      message.correlation_id.size() + message.user_id.size() + message.content_type.size() +
                      message.content_encoding.size();
  for (const Property& property : message.application) {
    bytes += property.name.size() + (property.value ? property.value->size() : 0);
  }
  return bytes;
}

Result<void> check_application_properties(const std::vector<Property>& properties) {
  std::set<std::string> names;
  for (const Property& property : properties) {
    if (property.name.empty()) return Error(Errc::argument_invalid, "a property has an empty name");
    if (!property.value) return Error(Errc::argument_invalid, "a property has no value");
    if (!is_valid_utf8(property.name) || !is_valid_utf8(*property.value)) {
      return Error(Errc::argument_invalid, "a property is not UTF-8");
    }
    if (is_reserved_c2d_name(property.name)) {
      return Error(Errc::argument_invalid, "a property has the name of a system property");
    }
    if (!names.insert(to_lower_ascii(property.name)).second) {
      return Error(Errc::argument_invalid, "two properties have the same name");
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(AckRequest ack) {
  switch (ack) {
    case AckRequest::none:
      return "none";
    case AckRequest::positive:
      return "positive";
    case AckRequest::negative:
      return "negative";
    case AckRequest::full:
      return "full";
  }
  return "none";
}

std::optional<AckRequest> parse_ack_request(std::string_view text) {
  if (text.empty()) return AckRequest::none;
  for (const AckRequest ack :
       {AckRequest::none, AckRequest::positive, AckRequest::negative, AckRequest::full}) {
    if (equals_ignoring_case(text, to_string(ack))) return ack;
  }
  return std::nullopt;
}

std::string c2d_topic_of(const C2dMessage& message) {
  C2dTopicParts parts;
  parts.device = message.device;
  parts.message_id = message.header.message_id;
  if (message.header.explicit_expiry) parts.expiry = message.header.expiry;
  parts.to = message.to;
  parts.correlation_id = message.correlation_id;
  parts.user_id = message.user_id;
  parts.content_type = message.content_type;
  parts.content_encoding = message.content_encoding;
  if (message.header.ack != AckRequest::none) parts.ack = to_string(message.header.ack);
  parts.application = message.application;
  return c2d_topic(parts);
}

Result<void> check_c2d_message(C2dMessage& message) {
  if (!is_valid_message_id(message.header.message_id)) {
    return Error(Errc::argument_invalid, "the message id has a character or a length that is not allowed");
  }
  if (!is_valid_message_id(message.correlation_id)) {
    return Error(Errc::argument_invalid,
                 "the correlation id has a character or a length that is not allowed");
  }
  for (const std::string* text :
       {&message.to, &message.user_id, &message.content_type, &message.content_encoding}) {
    if (!is_valid_utf8(*text)) return Error(Errc::argument_invalid, "a system property is not UTF-8");
  }
  const std::size_t bytes = counted_bytes(message);
  if (bytes > limits::kC2dBytesMax) {
    return Error(Errc::message_too_large, "a message has at most 65536 bytes with its properties");
  }
  if (const Result<void> good = check_application_properties(message.application); !good) return good;
  if (c2d_topic_of(message).size() > limits::kTopicBytesMax) {
    return Error(Errc::message_too_large, "the properties do not fit into an MQTT topic");
  }
  message.header.bytes = static_cast<std::uint32_t>(bytes);
  return {};
}

std::string feedback_message_id(std::string_view device, std::string_view generation_id,
                                const C2dHeader& header) {
  if (!header.message_id.empty()) return header.message_id;
  std::string name(device);
  name += '\n';
  name += generation_id;
  name += '\n';
  name += std::to_string(header.sequence);
  const std::uint64_t high = stable_hash(name);
  const std::uint64_t low = stable_hash(name + '\n');
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
                static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xffff),
                static_cast<unsigned>(low >> 48), static_cast<unsigned long long>(low & 0xffff'ffff'ffffULL));
  return text;
}

bool wants_feedback(AckRequest ack, FeedbackStatus status) {
  if (ack == AckRequest::full) return true;
  return ack == (status == FeedbackStatus::success ? AckRequest::positive : AckRequest::negative);
}

}  // namespace kyanite
