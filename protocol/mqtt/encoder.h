#pragma once

#include <span>
#include <string>
#include <string_view>

#include "protocol/mqtt/packets.h"

// Server packets appended to one output buffer (MQTT 3.1.1 section 3).
namespace kyanite::mqtt {

inline constexpr std::uint8_t kSubackFailure = 0x80;

void append_connack(std::string& out, bool session_present, ConnectCode code);
void append_puback(std::string& out, PacketId packet_id);
void append_suback(std::string& out, PacketId packet_id, std::span<const std::uint8_t> codes);
void append_unsuback(std::string& out, PacketId packet_id);
void append_pingresp(std::string& out);
// RETAIN is always 0: the hub keeps no retained messages. QoS 0 ignores packet_id.
void append_publish(std::string& out, std::string_view topic, std::string_view payload, QoS qos, bool dup,
                    PacketId packet_id);

// Client packets: the load generator and tests speak them.
struct ConnectFields {
  std::string_view client_id = {};
  std::string_view username = {};
  std::string_view password = {};  // empty sends none
  std::uint16_t keep_alive_seconds = 60;
  bool clean_session = false;
  std::optional<Will> will = std::nullopt;
};
void append_connect(std::string& out, const ConnectFields& fields);
void append_client_publish(std::string& out, std::string_view topic, std::string_view payload, QoS qos,
                           bool retain, bool dup, PacketId packet_id);
void append_subscribe(std::string& out, PacketId packet_id, std::span<const TopicRequest> requests);
void append_unsubscribe(std::string& out, PacketId packet_id, std::span<const std::string_view> filters);
void append_pingreq(std::string& out);
void append_disconnect(std::string& out);

}  // namespace kyanite::mqtt
