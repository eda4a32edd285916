#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

// Bytes written by hand from the standard, so that the tests also say what the writer never would.
namespace kyanite::amqp::wire {

inline std::string hex_of(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    const auto value = static_cast<std::uint8_t>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 0xf];
  }
  return text;
}

// Pairs of hexadecimal digits, text in single quotes, and spaces: "a1 02 'ab'".
inline std::string bytes(std::string_view notation) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw std::invalid_argument("no hexadecimal digit");
  };
  std::string out;
  for (std::size_t i = 0; i < notation.size(); ++i) {
    if (notation[i] == ' ') continue;
    if (notation[i] == '\'') {
      const std::size_t end = notation.find('\'', i + 1);
      out += notation.substr(i + 1, end - i - 1);
      i = end;
      continue;
    }
    out += static_cast<char>(digit(notation[i]) * 16 + digit(notation[i + 1]));
    ++i;
  }
  return out;
}

template <class T>
bool is_malformed(const Result<T>& result) {
  return !result && result.error().code == Errc::malformed_packet;
}

// The notation's bytes, as hex_of() writes what came: for comparisons.
inline std::string hex(std::string_view notation) { return hex_of(bytes(notation)); }

inline std::string number32(std::size_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
  return out;
}

// A list in its short form around items that are encoded already.
inline std::string list(int count, std::string_view items) {
  return std::string("\xc0") + static_cast<char>(items.size() + 1) + static_cast<char>(count) +
         std::string(items);
}

// A frame around a body; its size is counted here.
inline std::string frame(std::string_view body, int type = 0, int channel = 0) {
  return number32(body.size() + 8) + '\x02' + static_cast<char>(type) + static_cast<char>(channel >> 8) +
         static_cast<char>(channel & 0xff) + std::string(body);
}

}  // namespace kyanite::amqp::wire
