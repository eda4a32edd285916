#include "server/device/connection_table.h"

#include <utility>

#include "server/device/mqtt_connection.h"

namespace kyanite {

ConnectionTable::ConnectionTable(ShardIndex shard, std::uint32_t slots_max)
    : shard_(shard), slots_max_(slots_max) {}

ConnectionTable::~ConnectionTable() = default;

ConnectionRef ConnectionTable::reserve() {
  std::uint32_t slot = 0;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    if (slots_.size() >= slots_max_) return {};
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  ++used_;
  std::uint32_t& generation = slots_[slot].generation;
  if (++generation == 0) generation = 1;  // 0 names no connection
  return {shard_, slot, generation};
}

void ConnectionTable::put(ConnectionRef ref, std::unique_ptr<MqttConnection> connection) {
  KYANITE_ASSERT(ref.slot < slots_.size() && slots_[ref.slot].generation == ref.generation);
  slots_[ref.slot].connection = std::move(connection);
}

MqttConnection* ConnectionTable::find(ConnectionRef ref) const {
  if (ref.slot >= slots_.size() || slots_[ref.slot].generation != ref.generation) return nullptr;
  return slots_[ref.slot].connection.get();
}

std::unique_ptr<MqttConnection> ConnectionTable::take(ConnectionRef ref) {
  KYANITE_ASSERT(find(ref) != nullptr);
  free_.push_back(ref.slot);
  --used_;
  return std::move(slots_[ref.slot].connection);
}

void ConnectionTable::deliver(ConnectionRef connection, ConnectionMessage message) {
  if (MqttConnection* found = find(connection)) found->on_message(std::move(message));
}

}  // namespace kyanite
