#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "protocol/base/executor.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/shard_check.h"
#include "storage/records.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// An event that the hub itself makes about an identity, in that device's partition: JSON with the system
// properties all such events share (spec routing-and-events.md 5.1). Says nothing about credentials.
TelemetryAppend make_hub_event(const TelemetryLog& log, const std::string& hub_name, MessageSource source,
                               const Identity& about, std::vector<Property> application,
                               std::string_view body);

// What records of operations monitoring share (spec device-mqtt.md 10.1): the error, and where the event
// lies.
void add_operation_error(Json& record, int status_type, std::string_view description);
void add_operation_place(Json& record, const Identity& about, const TelemetryLog& log, std::string_view now);

// A cloud-to-device message that was not taken from its sender.
struct C2dRefusal {
  std::string device;
  AckRequest ack = AckRequest::none;
  std::size_t bytes = 0;
  Error error;
};

// HubEvents makes the events that the hub itself puts into the telemetry log (spec device-mqtt.md 10,
// routing-and-events.md 5), for the devices of one shard. A source that is switched off makes none.
//
// Those about stored things come as values, to be committed with the change; those about connections are
// appended at the end of the turn. Owner: its shard; all calls there. Bound: what one turn connects and
// disconnects.
class HubEvents {
 public:
  // `starts` makes sequence numbers of connection events grow across restarts (10.2).
  HubEvents(Executor& executor, TelemetryLog& log, const Settings& settings, std::string hub_name,
            std::uint64_t starts);

  bool wants_lifecycle() const { return settings_.events.device_lifecycle; }
  bool wants_twin_changes() const { return settings_.events.twin_changes; }

  // Life cycle: op type "create..." or "delete..." with the twin as the identity has it (10.3).
  TelemetryAppend identity_created(const IdentityRecord& record, const TwinRecord& twin) const;
  TelemetryAppend identity_deleted(const IdentityRecord& record, const TwinRecord& twin) const;

  // The body is that of 10.4: what changed, or the whole twin for a replacement.
  enum class TwinOperation : std::uint8_t { update, replace };
  TelemetryAppend twin_changed(const IdentityRecord& record, TwinOperation operation, const Json& body) const;

  // Appended with what else the turn brings, when switched on (10.2).
  void connection_changed(const IdentityRecord& record, bool connected);
  // An operations monitoring record of category C2DCommands, likewise (10.1).
  void c2d_refused(const C2dRefusal& refusal);
  // Hands over at once what was not appended yet; for the end of the hub.
  void flush();

 private:
  struct Notification {
    MessageSource source;
    std::string_view schema;
    std::string_view operation;
  };
  TelemetryAppend notification(const Identity& about, const Notification& what, std::string_view body) const;
  std::string next_sequence_number();
  void append(TelemetryAppend event);

  Executor& executor_;
  TelemetryLog& log_;
  const Settings& settings_;
  std::string hub_name_;
  std::uint64_t starts_;
  std::uint64_t connection_events_ = 0;
  TelemetryBatch batch_;  // of this turn; nobody waits for its commit
  ShardCheck shard_check_;
};

}  // namespace kyanite
