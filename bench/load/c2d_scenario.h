#pragma once

#include <atomic>
#include <vector>

#include "bench/load/latency.h"
#include "bench/load/scenario.h"

namespace kyanite::load {

// Devices that take cloud-to-device messages in a session they keep. While the run is opened they subscribe
// and measure how old each message is; as a drain (RunControl begins in Phase::running) they take what waits
// for them, check its order, acknowledge `options.take` messages each and leave.
class C2dScenario final : public Scenario {
 public:
  C2dScenario(const Options& options, const TlsClient& tls, std::span<Device> devices, RunControl& control,
              WorkerShare);

  // Any thread.
  std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
  std::size_t subscribed() const { return subscribed_; }
  std::uint64_t repetitions() const { return repetitions_; }
  std::uint64_t order_violations() const { return order_violations_; }
  const Latency& latency() const { return latency_; }

 private:
  void tick(SteadyTime now) override;
  int turn_ms() const override { return 5; }
  void on_ready(Link& link) override;
  void on_puback(Link&, std::uint16_t) override {}
  void on_suback(Link& link) override;
  void on_message(Link& link, const ReceivedMessage& message) override;
  void on_closed(Link& link, std::string_view reason) override;
  void take_waiting(Link& link, const ReceivedMessage& message);
  void leave(std::size_t index);

  const bool drains_;
  bool told_ready_ = false;
  std::size_t tried_ = 0;
  std::size_t subscribed_ = 0;
  std::size_t left_ = 0;  // links of a drain that are done
  std::vector<std::uint64_t> taken_;
  std::vector<std::size_t> leaving_;  // links to close at the end of the turn
  std::atomic<std::uint64_t> received_{0};
  std::uint64_t repetitions_ = 0;
  std::uint64_t order_violations_ = 0;
  Latency latency_;
};

}  // namespace kyanite::load
