#include "bench/load/demo_scenario.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "protocol/mqtt/encoder.h"

namespace kyanite::load {
namespace {

constexpr std::size_t kBacklogMax = 1000;
constexpr double kHotCelsius = 24;
constexpr auto kReopenAfter = std::chrono::seconds(1);
constexpr auto kLastAckWithin = std::chrono::seconds(2);

double rounded(double value) { return std::round(value * 10) / 10; }

}  // namespace

void DemoScenario::tick(SteadyTime now) {
  look_after_links(now);
  Link& link = *links_.front();
  const bool enough = options_.demo_count != 0 && acknowledged_ >= options_.demo_count;
  if (control_.phase() == Phase::closing && close_by_ == SteadyTime::max()) close_by_ = now + kLastAckWithin;
  if (enough || (close_by_ != SteadyTime::max() && (backlog_.empty() || now >= close_by_))) {
    link.close(true);
    control_.report_done();
    return finish();
  }
  if (link.is_closed() && now >= next_open_) {
    next_open_ = now + kReopenAfter;
    link.open();
  }
  if (close_by_ == SteadyTime::max() && link.is_ready() && now >= next_measurement_) {
    const auto interval = std::chrono::duration<double>(options_.interval_seconds);
    next_measurement_ = now + std::chrono::duration_cast<SteadyTime::duration>(interval);
    measure();
    send(backlog_.back());
  }
}

void DemoScenario::measure() {
  std::normal_distribution<double> step(0, 0.3);
  temperature_ = std::clamp(temperature_ + step(random_), 15.0, 30.0);
  humidity_ = std::clamp(humidity_ + step(random_), 20.0, 80.0);
  const nlohmann::ordered_json body{
      {"sequence", sequence_++}, {"temperature", rounded(temperature_)}, {"humidity", rounded(humidity_)}};
  if (backlog_.size() == kBacklogMax) backlog_.pop_front();
  backlog_.push_back({next_packet_id_, body.dump(), temperature_ > kHotCelsius, false});
  next_packet_id_ =
      next_packet_id_ == 65535 ? std::uint16_t{1} : static_cast<std::uint16_t>(next_packet_id_ + 1);
}

void DemoScenario::send(Unacknowledged& message) {
  Link& link = *links_.front();
  const std::string topic = link.device().topic + "$.ct=application%2Fjson&$.ce=utf-8&temperatureAlert=" +
                            (message.hot ? "true" : "false");
  mqtt::append_client_publish(link.output(), topic, message.body, mqtt::QoS::at_least_once, /*retain=*/false,
                              message.sent, PacketId{message.packet_id});
  message.sent = true;
}

void DemoScenario::on_ready(Link&) {
  for (Unacknowledged& message : backlog_) send(message);
}

void DemoScenario::on_puback(Link&, std::uint16_t packet_id) {
  if (backlog_.empty() || backlog_.front().packet_id != packet_id) return;
  backlog_.pop_front();
  ++acknowledged_;
}

void DemoScenario::on_closed(Link& link, std::string_view reason) {
  count_failure(reason);
  std::fprintf(stderr, "demo: %s: %.*s; trying again\n", link.device().id.c_str(),
               static_cast<int>(reason.size()), reason.data());
}

}  // namespace kyanite::load
