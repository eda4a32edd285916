#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kyanite {

// A number with a meaning of its own: an Epoch cannot be passed where a PacketId is wanted.
template <class Tag, class Rep>
struct StrongId {
  Rep value{};
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

using PacketId = StrongId<struct PacketIdTag, std::uint16_t>;
using PartitionId = StrongId<struct PartitionIdTag, std::uint32_t>;
// Position of a record in one telemetry partition; it is the Event Hubs offset and sequence number too.
using TelemetryOffset = StrongId<struct TelemetryOffsetTag, std::uint64_t>;
// Grows by one at each takeover of an identity's connection (architecture, Presence).
using Epoch = StrongId<struct EpochTag, std::uint64_t>;
using ShardIndex = StrongId<struct ShardIndexTag, std::uint16_t>;

// Who a connection or a record belongs to: a device, or one of its modules (module not empty).
struct Identity {
  std::string device;
  std::string module;

  bool is_module() const { return !module.empty(); }
  friend auto operator<=>(const Identity&, const Identity&) = default;
};

// Device and module ids: 1 to 128 characters of the service's set, case-sensitive
// (spec service-rest.md 4.1, device-mqtt.md 3.6).
bool is_valid_id(std::string_view id);

// Names one connection from any thread: shard, slot, and a generation that makes stale names harmless.
struct ConnectionRef {
  ShardIndex shard{};
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // 0 names no connection

  explicit operator bool() const { return generation != 0; }
  friend auto operator<=>(const ConnectionRef&, const ConnectionRef&) = default;
};

}  // namespace kyanite
