#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kyanite::sim {

// A packet of the hub as a client reads it (MQTT 3.1.1 section 3).
struct ServerPacket {
  enum class Type : std::uint8_t {
    connack = 2,
    publish = 3,
    puback = 4,
    suback = 9,
    unsuback = 11,
    pingresp = 13
  };
  Type type = Type::pingresp;
  std::uint16_t packet_id = 0;
  std::uint8_t code = 0;  // of a CONNACK, and the first one of a SUBACK
  bool session_present = false;
  int qos = 0;
  bool dup = false;
  std::string topic;
  std::string payload;
};

// PacketReader cuts a stream of the hub into packets.
class PacketReader {
 public:
  std::vector<ServerPacket> take(std::string_view bytes);

 private:
  std::optional<ServerPacket> next();

  std::string pending_;
};

// The value of `name` in a topic's "?$rid=1&$version=2"; empty when absent.
std::string topic_value(std::string_view topic, std::string_view name);

}  // namespace kyanite::sim
