#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Constructor bytes of the primitive types (part 1 of the standard, section 1.6) and numbers in network
// order. For the codec's own files.
namespace kyanite::amqp::code {

inline constexpr std::uint8_t kDescribed = 0x00;
inline constexpr std::uint8_t kNull = 0x40;
inline constexpr std::uint8_t kTrue = 0x41;
inline constexpr std::uint8_t kFalse = 0x42;
inline constexpr std::uint8_t kUint0 = 0x43;
inline constexpr std::uint8_t kUlong0 = 0x44;
inline constexpr std::uint8_t kList0 = 0x45;
inline constexpr std::uint8_t kUbyte = 0x50;
inline constexpr std::uint8_t kByte = 0x51;
inline constexpr std::uint8_t kSmallUint = 0x52;
inline constexpr std::uint8_t kSmallUlong = 0x53;
inline constexpr std::uint8_t kSmallInt = 0x54;
inline constexpr std::uint8_t kSmallLong = 0x55;
inline constexpr std::uint8_t kBoolean = 0x56;
inline constexpr std::uint8_t kUshort = 0x60;
inline constexpr std::uint8_t kShort = 0x61;
inline constexpr std::uint8_t kUint = 0x70;
inline constexpr std::uint8_t kInt = 0x71;
inline constexpr std::uint8_t kFloat = 0x72;
inline constexpr std::uint8_t kChar = 0x73;
inline constexpr std::uint8_t kDecimal32 = 0x74;
inline constexpr std::uint8_t kUlong = 0x80;
inline constexpr std::uint8_t kLong = 0x81;
inline constexpr std::uint8_t kDouble = 0x82;
inline constexpr std::uint8_t kTimestamp = 0x83;
inline constexpr std::uint8_t kDecimal64 = 0x84;
inline constexpr std::uint8_t kDecimal128 = 0x94;
inline constexpr std::uint8_t kUuid = 0x98;
inline constexpr std::uint8_t kBinary8 = 0xa0;
inline constexpr std::uint8_t kString8 = 0xa1;
inline constexpr std::uint8_t kSymbol8 = 0xa3;
inline constexpr std::uint8_t kBinary32 = 0xb0;
inline constexpr std::uint8_t kString32 = 0xb1;
inline constexpr std::uint8_t kSymbol32 = 0xb3;
inline constexpr std::uint8_t kList8 = 0xc0;
inline constexpr std::uint8_t kMap8 = 0xc1;
inline constexpr std::uint8_t kList32 = 0xd0;
inline constexpr std::uint8_t kMap32 = 0xd1;
inline constexpr std::uint8_t kArray8 = 0xe0;
inline constexpr std::uint8_t kArray32 = 0xf0;
// From the one-byte form of a variable, compound or array type to its four-byte form.
inline constexpr std::uint8_t kWide = 0x10;

inline std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

// At most 8 bytes.
inline std::uint64_t load(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8) | static_cast<std::uint8_t>(byte);
  return value;
}

template <class T>
void store(char* at, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) {
    at[i] = static_cast<char>(value & 0xff);
    value = static_cast<T>(static_cast<std::uint64_t>(value) >> 8);
  }
}

template <class T>
void append_number(std::string& out, T value) {
  char bytes[sizeof(T)];
  store(bytes, value);
  out.append(bytes, sizeof(T));
}

inline void append_byte(std::string& out, std::uint8_t value) { out += static_cast<char>(value); }

}  // namespace kyanite::amqp::code
