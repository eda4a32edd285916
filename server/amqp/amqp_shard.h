#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "protocol/base/channel.h"
#include "protocol/base/shard_check.h"
#include "server/hub/active_faults.h"
#include "server/hub/hub_observer.h"
#include "server/hub/hub_security.h"
#include "server/hub/hub_services.h"
#include "server/hub/telemetry_ingest.h"

namespace kyanite {

class AmqpConnection;
class AmqpDevice;
struct EventsShard;

// Counters of one shard's AMQP connections since the start; plain numbers, read on the shard.
struct AmqpStatistics {
  std::uint64_t open = 0;
  std::uint64_t links = 0;    // accepted and not ended
  std::uint64_t devices = 0;  // accepted and not ended
  std::uint64_t accepted_links = 0;
  std::uint64_t refused_links = 0;
  std::uint64_t refusals = 0;  // of tokens, passwords and links, told to the log
  std::uint64_t telemetry_messages = 0;
  std::uint64_t telemetry_bytes = 0;
  std::uint64_t c2d_sent = 0;     // by back ends over their links
  std::uint64_t events_sent = 0;  // to readers
  std::uint64_t event_bytes_sent = 0;
  std::uint64_t turned_away = 0;
};

// Device slots of AMQP have this bit, so that one table per protocol serves a shard's ConnectionRefs.
inline constexpr std::uint32_t kAmqpSlotBit = 0x8000'0000;

// AmqpShard is everything about AMQP on one shard: its connections, the devices on them, the telemetry they
// send, and the way back of what was committed.
//
// Owner: the application; destroyed after the shard's loop and the stores stopped. Threads: on_committed from
// the commit thread, everything else on the shard. Bound: limits::kConnectionsPerShardMax connections and as
// many devices.
class AmqpShard final : public TelemetryAckSink, public ConnectionPort {
 public:
  AmqpShard(const HubServices& services, HubSecurityPtr security, HubObserver& observer);
  ~AmqpShard() override;

  void accept(std::unique_ptr<Channel> channel);
  void set_security(HubSecurityPtr security);
  void on_clock_shift();
  void set_faults(ActiveFaultsPtr faults);
  void on_pressure(StorePressure pressure);
  // Ends every connection with amqp:connection:forced; `done` when the table is empty or two seconds later.
  void drain(milliseconds spread, Task done);

  // For connections and their links.
  const HubServices& services() const { return services_; }
  ShardIndex shard() const { return services_.shard; }
  const HubSecurity& security() const { return *security_; }
  const ActiveFaultsPtr& faults() const { return faults_; }  // null without any
  HubObserver& observer() { return observer_; }
  TelemetryIngest& ingest() { return ingest_; }
  AmqpStatistics& statistics() { return statistics_; }
  const AmqpStatistics& statistics() const { return statistics_; }
  EventsShard& events() { return *events_; }
  StorePressure pressure() const { return pressure_; }
  bool is_draining() const { return draining_; }
  AmqpConnection* find(std::uint64_t number) const;
  // A slot for a device on a connection of this shard; none when the table is full.
  ConnectionRef add_device(AmqpConnection& connection, const Identity& identity);
  void remove_device(ConnectionRef ref);
  AmqpDevice* find_device(ConnectionRef ref) const;
  void release(std::uint64_t number);  // the connection's channel has closed

  void on_committed(std::vector<Ack> acks) override;
  void deliver(ConnectionRef connection, ConnectionMessage message) override;  // kAmqpSlotBit is set

 private:
  struct DeviceSlot {
    AmqpConnection* connection = nullptr;
    Identity identity;
    std::uint32_t generation = 0;
  };

  HubServices services_;
  HubSecurityPtr security_;
  ActiveFaultsPtr faults_;
  HubObserver& observer_;
  ShardCheck shard_check_;
  TelemetryIngest ingest_;
  std::unique_ptr<EventsShard> events_;
  AmqpStatistics statistics_;
  StorePressure pressure_ = StorePressure::none;
  std::uint64_t next_number_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<AmqpConnection>> connections_;
  std::vector<std::unique_ptr<AmqpConnection>> released_;  // destroyed at the end of the turn
  std::vector<DeviceSlot> devices_;
  std::vector<std::uint32_t> free_devices_;
  bool draining_ = false;
  std::vector<std::uint64_t> to_drain_;
  std::size_t drained_per_step_ = 0;
  void drain_some();
  void finish_drain();
  void deliver_acks(const std::vector<Ack>& acks);
  TimerId drain_timer_{};
  Task drain_done_;
};

// Gives what owners say to the adapter whose connection it is for.
class ConnectionSwitch final : public ConnectionPort {
 public:
  ConnectionSwitch(ConnectionPort& mqtt, ConnectionPort& amqp) : mqtt_(mqtt), amqp_(amqp) {}
  void deliver(ConnectionRef connection, ConnectionMessage message) override {
    ConnectionPort& port = (connection.slot & kAmqpSlotBit) != 0 ? amqp_ : mqtt_;
    port.deliver(connection, std::move(message));
  }

 private:
  ConnectionPort& mqtt_;
  ConnectionPort& amqp_;
};

}  // namespace kyanite
