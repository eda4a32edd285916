#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "protocol/base/executor.h"
#include "server/hub/forwarding_observer.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// OperationsMonitor writes the service's operations monitoring records of connections and of telemetry that
// was not taken into the telemetry log (spec device-mqtt.md 10.1) and passes everything on to the observer
// behind it. One record for each CONNECT, accepted or refused, one for each end of an accepted connection,
// and one for each message refused; with OperationsLevel::error only those with an error. A refused client is
// recorded under the id it claimed, with what no id can hold replaced; one that claimed none is not.
//
// Owner: its shard; all calls there. Records wait until the end of the turn, and nobody for their commit.
// Bound: whoever is refused proved nothing, so only limits::kRefusalRecordsPerSecond of them are recorded;
// how many were left out is told to the observer.
class OperationsMonitor final : public ForwardingObserver {
 public:
  // Whether there is anything to monitor; else the observer is used alone.
  static bool is_wanted(const Settings::Events& events) {
    return events.connections != OperationsLevel::none || events.device_telemetry != OperationsLevel::none;
  }
  OperationsMonitor(HubObserver& next, Executor& executor, TelemetryLog& log, const Settings::Events& events,
                    std::string hub_name);

  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                            std::size_t bytes) override;

 private:
  struct Operation {
    std::string_view name;
    milliseconds duration;
    int status_type = 0;  // 0: no error
    std::string description;
  };
  void record(const ConnectionFacts& connection, const Operation& operation);
  bool has_room_for_refusal();
  void append(const Identity& about, const Json& record);
  void flush();

  Executor& executor_;
  TelemetryLog& log_;
  const Settings::Events events_;
  std::string hub_name_;
  TelemetryBatch batch_;
  SteadyTime second_began_{};
  std::size_t refusals_ = 0;  // recorded in this second
  std::uint64_t unrecorded_ = 0;
};

}  // namespace kyanite
