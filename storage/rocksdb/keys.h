#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/ids.h"
#include "protocol/base/time.h"
#include "storage/document_store.h"

// Keys as format.md describes them: integers big-endian, device and module ids separated by a zero byte,
// which no id can hold.
namespace kyanite::keys {

inline constexpr std::string_view kFormat = "format";
inline constexpr std::string_view kHubId = "hub_id";
inline constexpr std::string_view kIdentityCounts = "identity_counts";
inline constexpr std::string_view kStarts = "starts";
inline constexpr std::string_view kFeedbackNext = "feedback_next";
inline constexpr std::string_view kPolicies = "policies";
inline constexpr std::string_view kCaPrefix = "ca/";

inline std::string of_number(std::uint64_t number) {
  std::string key(8, '\0');
  for (std::size_t at = 8; at-- > 0; number >>= 8) key[at] = static_cast<char>(number & 0xff);
  return key;
}

inline std::optional<std::uint64_t> to_number(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : key) number = number << 8 | static_cast<std::uint8_t>(c);
  return number;
}

inline std::string of_identity(const Identity& id) {
  std::string key;
  key.reserve(id.device.size() + 1 + id.module.size());
  key.append(id.device).push_back('\0');
  key.append(id.module);
  return key;
}

// The first key after a device and all its modules.
inline std::string after_device(std::string_view device) {
  std::string key(device);
  key.push_back('\1');
  return key;
}

// A document: its collection, then its own key.
inline std::string of_document(Collection collection, std::string_view key) {
  std::string row(1, static_cast<char>(collection));
  row.append(key);
  return row;
}

// Whether the key names a device itself, not one of its modules.
inline bool is_device(std::string_view key) { return !key.empty() && key.back() == '\0'; }

// A message in a device's queue. The bare device key before all of them holds the queue's next sequence.
inline std::string of_message(std::string_view device, std::uint64_t sequence) {
  std::string key;
  key.reserve(device.size() + 9);
  key.append(device).push_back('\0');
  key.append(of_number(sequence));
  return key;
}
inline std::string next_message(std::string_view device) { return of_identity({std::string(device), ""}); }

// The sequence of a message key; nothing for the bare device key and for what is no key at all.
inline std::optional<std::uint64_t> message_sequence(std::string_view key, std::string_view device) {
  if (key.size() != device.size() + 9) return std::nullopt;
  return to_number(key.substr(device.size() + 1));
}

// Messages of all devices by expiry: milliseconds, then the message's key. No message expires before 1970.
inline std::string of_expiry(WallTime expiry) {
  return of_number(static_cast<std::uint64_t>(std::max<std::int64_t>(expiry.time_since_epoch().count(), 0)));
}
inline std::string of_expiry(WallTime expiry, std::string_view message_key) {
  return of_expiry(expiry).append(message_key);
}
inline std::optional<std::string_view> device_of_expiry(std::string_view key) {
  if (key.size() < 8 + 9) return std::nullopt;
  return key.substr(8, key.size() - 8 - 9);
}

inline std::string migration(std::uint32_t version) { return "migration/" + std::to_string(version); }

// Where a partition's log begins now; written before anything of it is removed.
inline std::string log_begin(std::uint32_t partition) {
  return "telemetry." + std::to_string(partition) + ".begin";
}

}  // namespace kyanite::keys
