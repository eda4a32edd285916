#pragma once

#include "server/hub/hub_observer.h"

namespace kyanite {

// An observer that tells everything to the next one: base of those that watch some of it on the way.
//
// Owner: as its class says; the next one outlives it. Threads: as HubObserver.
class ForwardingObserver : public HubObserver {
 public:
  explicit ForwardingObserver(HubObserver& next) : next_(next) {}

  void on_connected(const ConnectionFacts& connection) override { next_.on_connected(connection); }
  void on_refused(const ConnectionFacts& connection, const Error& error) override {
    next_.on_refused(connection, error);
  }
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override {
    next_.on_disconnected(connection, reason, detail, connected_for);
  }
  void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                            std::size_t bytes) override {
    next_.on_telemetry_refused(connection, error, bytes);
  }
  void on_will_unusable(const ConnectionFacts& connection, std::string_view topic) override {
    next_.on_will_unusable(connection, topic);
  }
  void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                       const Error& error) override {
    next_.on_amqp_refused(address, container, what, error);
  }
  void on_left_silently(std::string_view address, std::string_view tls_version,
                        DeviceProtocol protocol) override {
    next_.on_left_silently(address, tls_version, protocol);
  }
  void on_refusals_unrecorded(std::uint64_t count) override { next_.on_refusals_unrecorded(count); }
  void on_reader_overtaken(std::string_view consumer_group, PartitionId partition, TelemetryOffset wanted,
                           TelemetryOffset oldest) override {
    next_.on_reader_overtaken(consumer_group, partition, wanted, oldest);
  }

 protected:
  HubObserver& next_;
};

}  // namespace kyanite
