#include "server/device/mqtt_shard.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/device/mqtt_connection.h"

namespace kyanite {
namespace {

constexpr milliseconds kDrainStep{50};
constexpr milliseconds kDrainRest{2'000};  // after the last connection was told to close
constexpr std::size_t kScratchBytesKept = 64 * 1024;

}  // namespace

MqttShard::MqttShard(const HubServices& services, HubSecurityPtr security, HubObserver& observer)
    : services_(services),
      security_(std::move(security)),
      observer_(observer),
      table_(services.shard, limits::kConnectionsPerShardMax),
      ingest_(services.stores.telemetry(), *this, services.settings.mqtt,
              // What a turn reads from sockets was read before a posted task runs.
              [this] { services_.executor.post([this] { ingest_.flush(); }); }) {}

MqttShard::~MqttShard() = default;

void MqttShard::accept(std::unique_ptr<Channel> channel) {
  shard_check_.check();
  const ConnectionRef ref = draining_ ? ConnectionRef{} : table_.reserve();
  if (!ref) {
    ++statistics_.turned_away;
    return;  // destroying the channel closes it
  }
  ++statistics_.open;
  auto connection = std::make_unique<MqttConnection>(*this, ref, std::move(channel));
  MqttConnection& started = *connection;
  table_.put(ref, std::move(connection));
  started.start();
}

// Called by a connection about itself, maybe from inside its channel: both go at the end of the turn.
void MqttShard::release(ConnectionRef ref) {
  --statistics_.open;
  // Kept here, not in the task: a task that is never run may outlive the shard, which a connection needs.
  released_.push_back(table_.take(ref));
  services_.executor.post([this] { released_.clear(); });
  if (scratch_.capacity() > kScratchBytesKept) std::string().swap(scratch_);
  if (draining_ && table_.size() == 0) finish_drain();
}

void MqttShard::set_security(HubSecurityPtr security) {
  shard_check_.check();
  security_ = std::move(security);
}

void MqttShard::on_pressure(StorePressure pressure) {
  shard_check_.check();
  const bool pause = pressure != StorePressure::none;
  if (pause == paused_by_stores_) return;
  paused_by_stores_ = pause;
  for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
    if (MqttConnection* connection = table_.at(slot)) connection->update_reading();
  }
}

void MqttShard::on_clock_shift() {
  shard_check_.check();
  for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
    if (MqttConnection* connection = table_.at(slot)) connection->on_clock_shift();
  }
}

void MqttShard::set_faults(ActiveFaultsPtr faults) {
  shard_check_.check();
  const ActiveFaultsPtr before = std::exchange(faults_, std::move(faults));
  const std::vector<FaultPtr> began = faults_begun(before, faults_);
  for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
    if (MqttConnection* connection = table_.at(slot)) connection->on_faults_changed(began);
  }
}

void MqttShard::on_attach_reply(ConnectionRef ref, const Identity& identity, Result<Attachment> verdict) {
  shard_check_.check();
  MqttConnection* connection = table_.find(ref);
  if (connection && !connection->has_ended()) return connection->on_attach_reply(std::move(verdict));
  // The client left while its CONNECT was judged: the owner must not go on counting it as connected.
  if (verdict) services_.router.send(Detached{ref, identity, verdict->epoch});
}

void MqttShard::on_committed(std::vector<Ack> acks) {
  services_.executor.post([this, acks = std::move(acks)] { deliver_acks(acks); });
}

void MqttShard::deliver_acks(const std::vector<Ack>& acks) {
  shard_check_.check();
  for (const Ack& ack : acks) {
    if (MqttConnection* connection = table_.find(ack.connection)) {
      connection->on_committed(mqtt::AckSequence{ack.sequence});
    }
  }
}

void MqttShard::drain(milliseconds spread, Task done) {
  shard_check_.check();
  KYANITE_ASSERT(!draining_);
  draining_ = true;
  drain_done_ = std::move(done);
  if (table_.size() == 0) return finish_drain();
  const auto steps = static_cast<std::uint32_t>(std::max<std::int64_t>(1, spread / kDrainStep));
  drain_slots_per_step_ = (table_.slots() + steps - 1) / steps;
  drain_some();
}

void MqttShard::drain_some() {
  drain_timer_ = {};
  const std::uint32_t stop = std::min(drain_slot_ + drain_slots_per_step_, table_.slots());
  for (; drain_slot_ < stop; ++drain_slot_) {
    if (MqttConnection* connection = table_.at(drain_slot_)) connection->end(EndReason::shutting_down);
  }
  if (!draining_ || !drain_done_) return;
  if (drain_slot_ < table_.slots()) {
    drain_timer_ = services_.executor.after(kDrainStep, [this] { drain_some(); });
  } else {
    drain_timer_ = services_.executor.after(kDrainRest, [this] { finish_drain(); });
  }
}

void MqttShard::finish_drain() {
  services_.executor.cancel(drain_timer_);
  drain_timer_ = {};
  ingest_.flush();
  if (drain_done_) services_.executor.post(std::exchange(drain_done_, nullptr));
}

}  // namespace kyanite
