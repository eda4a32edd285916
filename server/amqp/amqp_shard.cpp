#include "server/amqp/amqp_shard.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/amqp/amqp_connection.h"
#include "server/amqp/amqp_device.h"
#include "server/amqp/events_shard.h"

namespace kyanite {
namespace {

constexpr milliseconds kDrainStep{50};
constexpr milliseconds kDrainRest{2'000};  // after the last connection was told to close

}  // namespace

AmqpShard::AmqpShard(const HubServices& services, HubSecurityPtr security, HubObserver& observer)
    : services_(services),
      security_(std::move(security)),
      observer_(observer),
      ingest_(services.stores.telemetry(), *this, services.settings.mqtt,
              [this] { services_.executor.post([this] { ingest_.flush(); }); }),
      events_(std::make_unique<EventsShard>(
          services_, events_endpoint(services.settings, security_->host_names.front()))) {}

AmqpShard::~AmqpShard() {
  connections_.clear();
  released_.clear();
}

void AmqpShard::accept(std::unique_ptr<Channel> channel) {
  shard_check_.check();
  if (draining_ || connections_.size() >= limits::kConnectionsPerShardMax) {
    ++statistics_.turned_away;
    return;  // destroying the channel closes it
  }
  ++statistics_.open;
  const std::uint64_t number = next_number_++;
  auto connection = std::make_unique<AmqpConnection>(*this, number, std::move(channel));
  AmqpConnection& started = *connection;
  connections_.emplace(number, std::move(connection));
  started.start();
}

AmqpConnection* AmqpShard::find(std::uint64_t number) const {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : found->second.get();
}

// Called by a connection about itself, maybe from inside its channel: both go at the end of the turn.
void AmqpShard::release(std::uint64_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  --statistics_.open;
  // Kept here, not in the task: a task that is never run may outlive the shard, which a connection needs.
  released_.push_back(std::move(found->second));
  services_.executor.post([this] { released_.clear(); });
  connections_.erase(found);
  if (draining_ && connections_.empty()) finish_drain();
}

void AmqpShard::set_security(HubSecurityPtr security) {
  shard_check_.check();
  security_ = std::move(security);
}

void AmqpShard::set_faults(ActiveFaultsPtr faults) {
  shard_check_.check();
  const ActiveFaultsPtr before = std::exchange(faults_, std::move(faults));
  const std::vector<FaultPtr> began = faults_begun(before, faults_);
  // By slots: a device may end by it, with others of its connection.
  for (std::size_t slot = 0; slot < devices_.size(); ++slot) {
    AmqpConnection* connection = devices_[slot].connection;
    AmqpDevice* device = connection ? connection->find_device(devices_[slot].identity) : nullptr;
    if (!device) continue;
    device->on_faults_changed(began);
    connection->flush();
  }
}

void AmqpShard::on_clock_shift() {
  shard_check_.check();
  for (const auto& [number, connection] : connections_) connection->on_clock_shift();
}

void AmqpShard::on_pressure(StorePressure pressure) {
  shard_check_.check();
  if (pressure == pressure_) return;
  pressure_ = pressure;
  for (const auto& [number, connection] : connections_) connection->update_reading();
}

// Devices

ConnectionRef AmqpShard::add_device(AmqpConnection& connection, const Identity& identity) {
  std::uint32_t slot = 0;
  if (!free_devices_.empty()) {
    slot = free_devices_.back();
    free_devices_.pop_back();
  } else if (devices_.size() < limits::kConnectionsPerShardMax) {
    slot = static_cast<std::uint32_t>(devices_.size());
    devices_.emplace_back();
  } else {
    return {};
  }
  DeviceSlot& at = devices_[slot];
  at.connection = &connection;
  at.identity = identity;
  if (++at.generation == 0) at.generation = 1;  // 0 names no connection
  return {services_.shard, slot | kAmqpSlotBit, at.generation};
}

void AmqpShard::remove_device(ConnectionRef ref) {
  DeviceSlot& at = devices_[ref.slot & ~kAmqpSlotBit];
  if (at.generation != ref.generation || !at.connection) return;
  at.connection = nullptr;
  at.identity = {};
  free_devices_.push_back(ref.slot & ~kAmqpSlotBit);
}

AmqpDevice* AmqpShard::find_device(ConnectionRef ref) const {
  const std::uint32_t slot = ref.slot & ~kAmqpSlotBit;
  if (slot >= devices_.size()) return nullptr;
  const DeviceSlot& at = devices_[slot];
  if (at.generation != ref.generation || !at.connection) return nullptr;
  return at.connection->find_device(at.identity);
}

void AmqpShard::deliver(ConnectionRef ref, ConnectionMessage message) {
  shard_check_.check();
  AmqpDevice* device = find_device(ref);
  if (!device) return;
  AmqpConnection& connection = *devices_[ref.slot & ~kAmqpSlotBit].connection;
  device->on_message(std::move(message));
  connection.flush();
}

void AmqpShard::on_committed(std::vector<Ack> acks) {
  services_.executor.post([this, acks = std::move(acks)] { deliver_acks(acks); });
}

// Runs of one connection are written together.
void AmqpShard::deliver_acks(const std::vector<Ack>& acks) {
  shard_check_.check();
  AmqpConnection* last = nullptr;
  for (const Ack& ack : acks) {
    AmqpDevice* device = find_device(ack.connection);
    if (!device) continue;
    AmqpConnection* connection = devices_[ack.connection.slot & ~kAmqpSlotBit].connection;
    if (last && last != connection) last->flush();
    last = connection;
    device->on_committed(ack.sequence);
  }
  if (last) last->flush();
}

// The end

void AmqpShard::drain(milliseconds spread, Task done) {
  shard_check_.check();
  KYANITE_ASSERT(!draining_);
  draining_ = true;
  drain_done_ = std::move(done);
  if (connections_.empty()) return finish_drain();
  for (const auto& [number, connection] : connections_) to_drain_.push_back(number);
  const auto steps = static_cast<std::size_t>(std::max<std::int64_t>(1, spread / kDrainStep));
  drained_per_step_ = (to_drain_.size() + steps - 1) / steps;
  drain_some();
}

void AmqpShard::drain_some() {
  drain_timer_ = {};
  for (std::size_t i = 0; i < drained_per_step_ && !to_drain_.empty(); ++i) {
    AmqpConnection* connection = find(to_drain_.back());
    to_drain_.pop_back();
    if (connection) connection->end({"amqp:connection:forced", "The hub is shutting down", {}});
  }
  if (!drain_done_) return;
  const bool more = !to_drain_.empty();
  drain_timer_ = services_.executor.after(more ? kDrainStep : kDrainRest,
                                          [this, more] { more ? drain_some() : finish_drain(); });
}

void AmqpShard::finish_drain() {
  services_.executor.cancel(drain_timer_);
  drain_timer_ = {};
  ingest_.flush();
  if (drain_done_) services_.executor.post(std::exchange(drain_done_, nullptr));
}

}  // namespace kyanite
