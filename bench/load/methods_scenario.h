#pragma once

#include "bench/load/scenario.h"

namespace kyanite::load {

// Devices that listen for direct methods and answer each at once with what they were given.
class MethodsScenario final : public Scenario {
 public:
  MethodsScenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                  RunControl& control, WorkerShare)
      : Scenario(options, tls, devices, control) {}

  std::size_t listening() const { return listening_; }

 private:
  void tick(SteadyTime now) override;
  void on_ready(Link& link) override;
  void on_puback(Link&, std::uint16_t) override {}
  void on_suback(Link& link) override;
  void on_publish(Link& link, std::string_view topic, std::string_view body) override;
  void on_closed(Link& link, std::string_view reason) override;

  bool told_ready_ = false;
  std::size_t tried_ = 0;
  std::size_t listening_ = 0;
};

}  // namespace kyanite::load
