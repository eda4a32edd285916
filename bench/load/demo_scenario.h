#pragma once

#include <deque>
#include <random>

#include "bench/load/scenario.h"

namespace kyanite::load {

// One simulated thermometer: a JSON message at each interval, sent again after a lost connection until it is
// acknowledged. Bound: when the hub is away, the oldest messages of the backlog go first.
class DemoScenario final : public Scenario {
 public:
  DemoScenario(const Options& options, const TlsClient& tls, std::span<Device> devices, RunControl& control,
               WorkerShare)
      : Scenario(options, tls, devices, control) {}

  std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  struct Unacknowledged {
    std::uint16_t packet_id = 0;
    std::string body;
    bool hot = false;
    bool sent = false;  // at least once: what is sent again carries DUP
  };

  void tick(SteadyTime now) override;
  void on_ready(Link& link) override;
  void on_puback(Link& link, std::uint16_t packet_id) override;
  void on_closed(Link& link, std::string_view reason) override;
  void measure();
  void send(Unacknowledged& message);

  std::deque<Unacknowledged> backlog_;
  std::mt19937 random_{std::random_device{}()};
  double temperature_ = 21.5;
  double humidity_ = 48;
  std::uint64_t sequence_ = 0;
  std::uint16_t next_packet_id_ = 1;
  std::uint64_t acknowledged_ = 0;
  SteadyTime next_measurement_{};
  SteadyTime next_open_{};
  SteadyTime close_by_ = SteadyTime::max();
};

}  // namespace kyanite::load
