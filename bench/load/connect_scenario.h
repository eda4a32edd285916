#pragma once

#include "bench/load/latency.h"
#include "bench/load/scenario.h"

namespace kyanite::load {

// Makes connections one after another, some at once, and closes each after its CONNACK. With `resume`, each
// device connects once before the measured part to get a ticket.
class ConnectScenario final : public Scenario {
 public:
  ConnectScenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                  RunControl& control, WorkerShare share);

  const Latency& latency() const { return latency_; }  // from connect() to CONNACK
  std::uint64_t completed() const { return completed_; }
  std::uint64_t resumed() const { return resumed_; }

 private:
  enum class Step { priming, waiting, measuring };

  void tick(SteadyTime now) override;
  int turn_ms() const override { return step_ == Step::waiting ? 1 : 20; }
  void on_ready(Link& link) override;
  void on_puback(Link&, std::uint16_t) override {}
  void on_closed(Link& link, std::string_view reason) override;
  void open_more();
  void attempt_ended();

  Step step_;
  const std::uint64_t attempts_max_;
  std::uint64_t started_ = 0;
  std::uint64_t ended_ = 0;
  std::size_t at_once_;
  std::size_t next_link_ = 0;
  Latency latency_;
  std::uint64_t completed_ = 0;
  std::uint64_t resumed_ = 0;
};

}  // namespace kyanite::load
