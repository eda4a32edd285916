#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/base/channel.h"
#include "protocol/base/shard_check.h"
#include "server/device/connection_table.h"
#include "server/hub/active_faults.h"
#include "server/hub/hub_observer.h"
#include "server/hub/hub_security.h"
#include "server/hub/hub_services.h"
#include "server/hub/telemetry_ingest.h"

namespace kyanite {

// Counters of one shard's MQTT connections since the start; plain numbers, read on the shard.
struct MqttStatistics {
  std::uint64_t open = 0;                  // connections with a slot, CONNECT or not
  std::uint64_t connected = 0;             // accepted and not ended
  std::uint64_t accepted = 0;              // CONNACK 0
  std::array<std::uint64_t, 6> refused{};  // by CONNACK code
  std::uint64_t telemetry_messages = 0;
  std::uint64_t telemetry_bytes = 0;  // bodies
  std::uint64_t telemetry_acknowledged = 0;
  std::uint64_t wills = 0;
  std::uint64_t turned_away = 0;  // channels closed because the table was full or the hub drains
  std::array<std::uint64_t, kEndReasonCount> ends{};  // by EndReason; takeovers are among them
};

// MqttShard is everything about MQTT on one shard: its connections, the telemetry they send, and the way back
// of what was committed.
//
// Owner: the application; destroyed after the shard's loop and the stores stopped.
// Threads: on_committed from the commit thread, everything else on the shard. Bound: the connection table.
class MqttShard final : public TelemetryAckSink {
 public:
  MqttShard(const HubServices& services, HubSecurityPtr security, HubObserver& observer);
  ~MqttShard() override;

  // Takes a channel that is ready to be started. A full table or a drain closes it.
  void accept(std::unique_ptr<Channel> channel);

  // To be bound to the router: router.bind_connections(services.shard, shard.connections()).
  ConnectionPort& connections() { return table_; }

  void set_security(HubSecurityPtr security);
  // The wall clock was shifted: every connection looks at its credential's end again.
  void on_clock_shift();
  // The faults that tests asked for; null without any.
  void set_faults(ActiveFaultsPtr faults);
  // Register with Stores::on_pressure_change: while the stores ask for a pause no connected socket is read.
  void on_pressure(StorePressure pressure);

  // Ends every connection, spread evenly over `spread`, without wills: the hub's own stop is no failure of
  // the device (architecture section 8; spec device-mqtt.md 2.9 would have all of them fire at the moment the
  // log is being closed, and every device comes back within seconds). `done` runs once the table is empty, or
  // two seconds after the last one was told to close.
  void drain(milliseconds spread, Task done);

  const MqttStatistics& statistics() const { return statistics_; }

  void on_committed(std::vector<Ack> acks) override;

 private:
  friend class MqttConnection;

  void deliver_acks(const std::vector<Ack>& acks);
  void on_attach_reply(ConnectionRef ref, const Identity& identity, Result<Attachment> verdict);
  void release(ConnectionRef ref);
  void drain_some();
  void finish_drain();

  HubServices services_;
  HubSecurityPtr security_;
  ActiveFaultsPtr faults_;
  HubObserver& observer_;
  ShardCheck shard_check_;
  ConnectionTable table_;
  TelemetryIngest ingest_;
  MqttStatistics statistics_;
  bool paused_by_stores_ = false;
  std::string scratch_;  // output of one connection's turn

  bool draining_ = false;
  std::uint32_t drain_slot_ = 0;  // next slot to end
  std::uint32_t drain_slots_per_step_ = 0;
  TimerId drain_timer_{};
  Task drain_done_;
  std::vector<std::unique_ptr<MqttConnection>> released_;  // destroyed at the end of the turn
};

}  // namespace kyanite
