#pragma once

#include "bench/load/scenario.h"

namespace kyanite::load {

// Opens every device's connection and holds it, with pings, until the run closes.
class IdleScenario final : public Scenario {
 public:
  IdleScenario(const Options& options, const TlsClient& tls, std::span<Device> devices, RunControl& control,
               WorkerShare)
      : Scenario(options, tls, devices, control) {}

  std::size_t opened() const { return opened_; }
  std::size_t lost() const { return lost_; }

 private:
  void tick(SteadyTime now) override;
  void on_ready(Link&) override;
  void on_puback(Link&, std::uint16_t) override {}
  void on_closed(Link& link, std::string_view reason) override;

  bool told_ready_ = false;
  std::size_t opened_ = 0;
  std::size_t lost_ = 0;
};

}  // namespace kyanite::load
