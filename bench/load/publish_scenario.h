#pragma once

#include <atomic>

#include "bench/load/ack_log.h"
#include "bench/load/latency.h"
#include "bench/load/scenario.h"

namespace kyanite::load {

// Publishes QoS 1 telemetry, or unsettled over AMQP, on every device, at most `window` unacknowledged on
// each, saturating or at a rate. A body names its device and a sequence number that grows by one; nothing is
// ever sent twice, so whatever the hub stores can be compared with what it acknowledged. A lost connection is
// not opened again.
class PublishScenario final : public Scenario {
 public:
  PublishScenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                  RunControl& control, WorkerShare share);

  std::uint64_t acknowledged() const { return acknowledged_.load(std::memory_order_relaxed); }  // any thread
  std::uint64_t sent() const { return sent_; }
  std::uint64_t order_violations() const { return order_violations_; }
  std::uint64_t lost_connections() const { return lost_connections_; }
  std::uint64_t open_failures() const { return open_failures_; }
  // From the moment a message was due (its slot in the rate, or room in the window) to its PUBACK.
  const Latency& latency() const { return latency_; }

 private:
  enum class Step { opening, waiting, publishing, draining };
  struct InFlight {
    std::uint16_t packet_id = 0;
    std::uint64_t sequence = 0;
    SteadyTime due;
  };
  // The messages of one device: a ring of those in flight, oldest first.
  struct Flow {
    std::vector<InFlight> ring;
    std::size_t oldest = 0;
    std::size_t in_flight = 0;
    std::uint64_t next_sequence = 0;
    std::uint16_t next_packet_id = 1;
  };

  void tick(SteadyTime now) override;
  int turn_ms() const override;
  void on_ready(Link& link) override;
  void on_puback(Link& link, std::uint16_t packet_id) override;
  void on_room(Link& link) override;
  void on_closed(Link& link, std::string_view reason) override;

  void begin(SteadyTime now);
  void publish_due(SteadyTime now);
  bool publish(Link& link, SteadyTime due);  // false: no room, or the end is reached
  bool may_publish() const { return step_ == Step::publishing && sent_ < messages_max_; }
  void make_body(const Device& device, std::uint64_t sequence);
  void end();

  Step step_ = Step::opening;
  const double rate_;  // messages a second of this worker; 0 saturates
  const std::uint64_t messages_max_;
  std::vector<Flow> flows_;
  AckLog ack_log_;
  std::string body_;
  SteadyTime began_{};
  SteadyTime drain_until_{};
  std::uint64_t rate_slots_used_ = 0;
  std::size_t next_link_ = 0;
  std::size_t live_links_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t sent_ = 0;
  std::atomic<std::uint64_t> acknowledged_{0};  // one writer
  std::uint64_t order_violations_ = 0;
  std::uint64_t lost_connections_ = 0;
  std::uint64_t open_failures_ = 0;
  Latency latency_;
};

}  // namespace kyanite::load
