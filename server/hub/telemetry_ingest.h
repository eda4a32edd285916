#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "protocol/base/executor.h"
#include "protocol/base/ids.h"
#include "protocol/base/shard_check.h"
#include "protocol/topics/property_bag.h"
#include "server/hub/device_messages.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// What a connection adds to each of its messages, made once at CONNECT.
struct TelemetryOrigin {
  Identity identity;
  std::string generation_id;
  std::string auth_method;  // JSON text (spec device-mqtt.md 4.7)
  std::string model_id;
  PartitionId partition;
};
std::string auth_method_json(AuthScope scope, AuthKind kind);

struct TelemetryMessage {
  std::string_view bag;  // encoded
  std::string_view body;
  bool retain = false;
  bool dup = false;
  bool is_will = false;
};

// TelemetryIngest builds telemetry records of one shard and hands them to the log once per turn of the loop.
//
// Owner: its shard; calls from elsewhere trip the shard check. Bound: what one turn reads from sockets.
class TelemetryIngest {
 public:
  // `schedule_flush` asks the shard to call flush() at the end of the present turn.
  TelemetryIngest(TelemetryLog& log, TelemetryAckSink& sink, const Settings::Mqtt& settings,
                  Task schedule_flush);

  TelemetryOrigin make_origin(const Identity& identity, const Attachment& attachment,
                              std::string model_id) const;

  // Errors: Errc::message_too_large over 256 KiB by the formula of 4.5. `ack` is answered through the sink
  // when wants_ack is set.
  Result<void> append(const TelemetryOrigin& origin, const TelemetryMessage& message,
                      TelemetryAckSink::Ack ack, bool wants_ack);
  // The same from properties that are decoded already. Errors: the same.
  Result<void> append(const TelemetryOrigin& origin, const PropertyBag& bag, std::string_view body,
                      TelemetryAckSink::Ack ack, bool wants_ack);
  void flush();

 private:
  void put(const TelemetryOrigin& origin, const PropertyBag& bag, std::string_view body,
           TelemetryAckSink::Ack ack, bool wants_ack);

  TelemetryLog& log_;
  TelemetryAckSink& sink_;
  ShardCheck shard_check_;
  Settings::Mqtt settings_;
  Task schedule_flush_;
  TelemetryBatch batch_;
};

}  // namespace kyanite
