#pragma once

#include <cstdint>

// Descriptors of the composites of parts 2, 3 and 5 of the standard.
namespace kyanite::amqp::code {

inline constexpr std::uint8_t kOpen = 0x10;
inline constexpr std::uint8_t kBegin = 0x11;
inline constexpr std::uint8_t kAttach = 0x12;
inline constexpr std::uint8_t kFlow = 0x13;
inline constexpr std::uint8_t kTransfer = 0x14;
inline constexpr std::uint8_t kDisposition = 0x15;
inline constexpr std::uint8_t kDetach = 0x16;
inline constexpr std::uint8_t kEnd = 0x17;
inline constexpr std::uint8_t kClose = 0x18;
inline constexpr std::uint8_t kError = 0x1d;
inline constexpr std::uint8_t kAccepted = 0x24;
inline constexpr std::uint8_t kRejected = 0x25;
inline constexpr std::uint8_t kReleased = 0x26;
inline constexpr std::uint8_t kModified = 0x27;
inline constexpr std::uint8_t kSource = 0x28;
inline constexpr std::uint8_t kTarget = 0x29;
inline constexpr std::uint8_t kSaslMechanisms = 0x40;
inline constexpr std::uint8_t kSaslInit = 0x41;
inline constexpr std::uint8_t kSaslOutcome = 0x44;

}  // namespace kyanite::amqp::code
