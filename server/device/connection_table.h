#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/ids.h"
#include "server/hub/device_router.h"

namespace kyanite {

class MqttConnection;

// ConnectionTable holds the connections of one shard in slots. A slot's generation grows each time it is
// given away, so a ConnectionRef that outlived its connection finds nothing.
//
// Owner: MqttShard. Bound: `slots_max` connections; a slot costs 16 bytes.
class ConnectionTable final : public ConnectionPort {
 public:
  ConnectionTable(ShardIndex shard, std::uint32_t slots_max);
  ~ConnectionTable() override;

  // A free slot under a new generation; none when the table is full.
  ConnectionRef reserve();
  void put(ConnectionRef ref, std::unique_ptr<MqttConnection> connection);
  MqttConnection* find(ConnectionRef ref) const;
  std::unique_ptr<MqttConnection> take(ConnectionRef ref);  // frees the slot

  std::size_t size() const { return used_; }
  // For loops over all: slots ever used, and what is in one (nullptr when free).
  std::uint32_t slots() const { return static_cast<std::uint32_t>(slots_.size()); }
  MqttConnection* at(std::uint32_t slot) const { return slots_[slot].connection.get(); }

  // Stale references are dropped.
  void deliver(ConnectionRef connection, ConnectionMessage message) override;

 private:
  struct Slot {
    std::unique_ptr<MqttConnection> connection;
    std::uint32_t generation = 0;
  };

  ShardIndex shard_;
  std::uint32_t slots_max_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace kyanite
