#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

// Packets written byte by byte, so that the tests also say what the encoder never would.
namespace kyanite::mqtt::wire {

inline std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

inline std::string number(int value) { return bytes({value >> 8, value & 0xff}); }

inline std::string field(std::string_view text) {
  return number(static_cast<int>(text.size())) + std::string(text);
}

// A packet whose body is shorter than 128 bytes.
inline std::string packet(int first, const std::string& body) {
  return bytes({first, static_cast<int>(body.size())}) + body;
}

inline std::string connect(int flags, const std::string& payload, std::string_view name = "MQTT",
                           int level = 4) {
  return packet(0x10, field(name) + bytes({level, flags}) + number(60) + payload);
}

inline std::string publish(int flags, std::string_view topic, const std::string& rest = "") {
  return packet(0x30 | flags, field(topic) + rest);
}

}  // namespace kyanite::mqtt::wire
