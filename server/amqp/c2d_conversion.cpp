#include "server/amqp/c2d_conversion.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/amqp/property_text.h"
#include "server/hub/c2d_message.h"

namespace kyanite {
namespace {

constexpr std::string_view kAck = "iothub-ack";
constexpr std::string_view kOperation = "iothub-operation";

std::vector<std::string_view> path_segments(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

// /devices/<id>[/modules/<m>]/messages/devicebound
Result<void> read_to(const std::optional<std::string>& to, C2dSend& send) {
  const Error bad(Errc::argument_invalid, "`to` must be /devices/<device id>/messages/devicebound");
  if (!to) return bad;
  const std::vector<std::string_view> segments = path_segments(*to);
  const bool has_module = segments.size() == 6;
  if (!has_module && segments.size() != 4) return bad;
  const std::size_t tail = segments.size() - 2;
  if (!equals_ignoring_case(segments[0], "devices") || !equals_ignoring_case(segments[tail], "messages") ||
      !equals_ignoring_case(segments[tail + 1], "devicebound") ||
      (has_module && !equals_ignoring_case(segments[2], "modules"))) {
    return bad;
  }
  send.device_as_written = segments[1];
  send.message.device = percent_decode(segments[1]);
  if (has_module) send.module = percent_decode(segments[3]);
  if (send.message.device.empty() || (has_module && send.module.empty())) return bad;
  send.message.to = *to;
  return {};
}

Result<void> read_id(const amqp::Value& value, const char* what, std::string& id) {
  id = amqp::text_of(value);
  if (id.empty() && !value.is_null() && !value.text()) {
    return Error(Errc::argument_invalid, std::string(what) + " must be a text, a uuid or a number");
  }
  return {};
}

Result<void> read_expiry(const amqp::Message& message, WallTime now, C2dHeader& header) {
  std::optional<WallTime> expiry;
  const auto& absolute = message.properties.absolute_expiry_time;
  // A time that nobody set is the year 1 in .NET, 1754 after the overflow of Go's milliseconds, and 0 in C.
  if (absolute && absolute->ms > 0) {
    expiry = WallTime(milliseconds(absolute->ms));
  } else if (message.ttl_ms && *message.ttl_ms > 0 &&
             *message.ttl_ms != std::numeric_limits<std::uint32_t>::max()) {
    expiry = now + milliseconds(*message.ttl_ms);
  }
  if (!expiry) return {};
  if (*expiry <= now) return Error(Errc::message_expired);
  if (*expiry > now + limits::kC2dExpiryMax) {
    return Error(Errc::argument_invalid, "the expiry is more than two days ahead");
  }
  header.expiry = *expiry;
  header.explicit_expiry = true;
  return {};
}

Result<void> read_properties(const amqp::Map& map, C2dMessage& message) {
  for (const amqp::MapEntry& entry : map.entries) {
    const auto name = entry.key.text();
    if (!name) return Error(Errc::argument_invalid, "a property's name is no text");
    auto value = property_text(entry.value);
    if (equals_ignoring_case(*name, kAck)) {
      const auto ack = value ? parse_ack_request(*value) : std::nullopt;
      if (!ack) {
        return Error(Errc::argument_invalid, "iothub-ack must be none, positive, negative or full");
      }
      message.header.ack = *ack;
    } else if (!equals_ignoring_case(*name, kOperation)) {  // between the SDK and its hub
      message.application.push_back({std::string(*name), std::move(value)});
    }
  }
  return {};
}

}  // namespace

Result<C2dSend> read_c2d_send(const amqp::Message& message, WallTime now) {
  C2dSend send;
  C2dMessage& sent = send.message;
  const amqp::Properties& properties = message.properties;
  if (Result<void> read = read_to(properties.to, send); !read) return read.error();
  if (Result<void> read = read_id(properties.message_id, "message-id", sent.header.message_id); !read)
    return read.error();
  if (Result<void> read = read_id(properties.correlation_id, "correlation-id", sent.correlation_id); !read)
    return read.error();
  sent.user_id = properties.user_id.value_or(std::string());
  sent.content_type = properties.content_type.value_or(std::string());
  sent.content_encoding = properties.content_encoding.value_or(std::string());
  if (Result<void> read = read_properties(message.application_properties, sent); !read) return read.error();
  if (Result<void> read = read_expiry(message, now, sent.header); !read) return read.error();
  Result<std::string> body = message.body_bytes();
  if (!body) return body.error();
  sent.body = std::move(*body);
  if (Result<void> good = check_c2d_message(sent); !good) return good.error();
  return send;
}

std::string write_c2d(const C2dMessage& message) {
  const C2dHeader& header = message.header;
  const auto ms = [](WallTime time) { return amqp::Timestamp{time.time_since_epoch().count()}; };
  const auto if_set = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
  };
  amqp::Map annotations;
  annotations.entries = {
      {amqp::Symbol{"x-opt-sequence-number"}, header.sequence},
      {amqp::Symbol{"iothub-enqueuedtime"}, ms(header.enqueued)},
      {amqp::Symbol{"iothub-deliverycount"},
       static_cast<std::uint8_t>(std::min<std::uint32_t>(header.delivery_count, 255))},
  };
  amqp::Properties properties;
  if (!header.message_id.empty()) properties.message_id = header.message_id;
  properties.user_id = if_set(message.user_id);
  properties.to = message.to.empty() ? "/devices/" + message.device + "/messages/devicebound" : message.to;
  if (!message.correlation_id.empty()) properties.correlation_id = message.correlation_id;
  properties.content_type = if_set(message.content_type);
  properties.content_encoding = if_set(message.content_encoding);
  if (header.explicit_expiry) properties.absolute_expiry_time = ms(header.expiry);
  amqp::Map application;
  if (header.ack != AckRequest::none) {
    application.entries.push_back({std::string(kAck), std::string(to_string(header.ack))});
  }
  for (const Property& property : message.application) {
    application.entries.push_back({property.name, property.value.value_or(std::string())});
  }
  std::string out;
  amqp::append_message_annotations(out, annotations);
  amqp::append_properties(out, properties);
  amqp::append_application_properties(out, application);
  amqp::append_data(out, message.body);
  return out;
}

}  // namespace kyanite
