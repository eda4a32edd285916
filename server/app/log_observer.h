#pragma once

#include "server/api/api_observer.h"
#include "server/hub/hub_observer.h"

namespace kyanite {

// LogObserver writes what adapters tell of connections and requests to the log. It has no state; any thread.
class LogObserver final : public HubObserver, public ApiObserver {
 public:
  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                            std::size_t bytes) override;
  void on_will_unusable(const ConnectionFacts& connection, std::string_view topic) override;
  void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                       const Error& error) override;
  void on_left_silently(std::string_view address, std::string_view tls_version,
                        DeviceProtocol protocol) override;
  void on_refusals_unrecorded(std::uint64_t count) override;
  void on_reader_overtaken(std::string_view consumer_group, PartitionId partition, TelemetryOffset wanted,
                           TelemetryOffset oldest) override;
  void on_answered(const RequestOutcome& outcome) override;
};

}  // namespace kyanite
