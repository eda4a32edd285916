#include "protocol/mqtt/encoder.h"

#include "protocol/base/assert.h"

namespace kyanite::mqtt {
namespace {

void append_byte(std::string& out, unsigned value) { out += static_cast<char>(value); }

void append_number(std::string& out, std::uint16_t value) {
  append_byte(out, value >> 8u);
  append_byte(out, value & 0xffu);
}

// Lengths are the caller's to bound; a longer field would silently corrupt the stream.
void append_field(std::string& out, std::string_view value) {
  KYANITE_ASSERT(value.size() <= 0xffff);
  append_number(out, static_cast<std::uint16_t>(value.size()));
  out += value;
}

void append_fixed_header(std::string& out, unsigned first, std::size_t remaining_length) {
  KYANITE_ASSERT(remaining_length < std::size_t{1} << 28);
  append_byte(out, first);
  while (remaining_length > 0x7f) {
    append_byte(out, static_cast<unsigned>(remaining_length & 0x7f) | 0x80u);
    remaining_length >>= 7;
  }
  append_byte(out, static_cast<unsigned>(remaining_length));
}

void append_acknowledgement(std::string& out, unsigned first, PacketId packet_id) {
  append_byte(out, first);
  append_byte(out, 2);
  append_number(out, packet_id.value);
}

}  // namespace

void append_connack(std::string& out, bool session_present, ConnectCode code) {
  append_fixed_header(out, 0x20, 2);
  // A refusal never says that a session exists (MQTT 3.1.1 section 3.2.2.2).
  append_byte(out, session_present && code == ConnectCode::accepted ? 1 : 0);
  append_byte(out, static_cast<unsigned>(code));
}

void append_puback(std::string& out, PacketId packet_id) { append_acknowledgement(out, 0x40, packet_id); }

void append_suback(std::string& out, PacketId packet_id, std::span<const std::uint8_t> codes) {
  append_fixed_header(out, 0x90, 2 + codes.size());
  append_number(out, packet_id.value);
  for (const std::uint8_t code : codes) append_byte(out, code);
}

void append_unsuback(std::string& out, PacketId packet_id) { append_acknowledgement(out, 0xb0, packet_id); }

void append_pingresp(std::string& out) { append_fixed_header(out, 0xd0, 0); }

void append_publish(std::string& out, std::string_view topic, std::string_view payload, QoS qos, bool dup,
                    PacketId packet_id) {
  append_client_publish(out, topic, payload, qos, /*retain=*/false, dup, packet_id);
}

void append_connect(std::string& out, const ConnectFields& fields) {
  unsigned flags = fields.clean_session ? 0x02u : 0u;
  std::size_t length = 10 + 2 + fields.client_id.size();
  if (fields.will) {
    flags |= 0x04u | static_cast<unsigned>(fields.will->qos) << 3 | (fields.will->retain ? 0x20u : 0u);
    length += 4 + fields.will->topic.size() + fields.will->payload.size();
  }
  // A password needs a username (MQTT 3.1.1 section 3.1.2.9).
  const bool has_password = !fields.password.empty();
  const bool has_username = has_password || !fields.username.empty();
  if (has_username) {
    flags |= 0x80u;
    length += 2 + fields.username.size();
  }
  if (has_password) {
    flags |= 0x40u;
    length += 2 + fields.password.size();
  }
  append_fixed_header(out, 0x10, length);
  append_field(out, "MQTT");
  append_byte(out, 4);
  append_byte(out, flags);
  append_number(out, fields.keep_alive_seconds);
  append_field(out, fields.client_id);
  if (fields.will) {
    append_field(out, fields.will->topic);
    append_field(out, fields.will->payload);
  }
  if (has_username) append_field(out, fields.username);
  if (has_password) append_field(out, fields.password);
}

void append_client_publish(std::string& out, std::string_view topic, std::string_view payload, QoS qos,
                           bool retain, bool dup, PacketId packet_id) {
  const bool has_id = qos != QoS::at_most_once;
  const unsigned first =
      0x30u | (has_id && dup ? 0x08u : 0u) | static_cast<unsigned>(qos) << 1 | (retain ? 1u : 0u);
  append_fixed_header(out, first, 2 + topic.size() + (has_id ? 2 : 0) + payload.size());
  append_field(out, topic);
  if (has_id) append_number(out, packet_id.value);
  out += payload;
}

void append_subscribe(std::string& out, PacketId packet_id, std::span<const TopicRequest> requests) {
  std::size_t length = 2;
  for (const TopicRequest& request : requests) length += 3 + request.filter.size();
  append_fixed_header(out, 0x82, length);
  append_number(out, packet_id.value);
  for (const TopicRequest& request : requests) {
    append_field(out, request.filter);
    append_byte(out, static_cast<unsigned>(request.qos));
  }
}

void append_unsubscribe(std::string& out, PacketId packet_id, std::span<const std::string_view> filters) {
  std::size_t length = 2;
  for (const std::string_view filter : filters) length += 2 + filter.size();
  append_fixed_header(out, 0xa2, length);
  append_number(out, packet_id.value);
  for (const std::string_view filter : filters) append_field(out, filter);
}

void append_pingreq(std::string& out) { append_fixed_header(out, 0xc0, 0); }

void append_disconnect(std::string& out) { append_fixed_header(out, 0xe0, 0); }

}  // namespace kyanite::mqtt
