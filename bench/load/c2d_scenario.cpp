#include "bench/load/c2d_scenario.h"

#include <charconv>
#include <utility>

#include "protocol/mqtt/encoder.h"

namespace kyanite::load {
namespace {

std::int64_t number_of(std::string_view body) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), number);
  return error == std::errc() && end == body.data() + body.size() ? number : -1;
}

}  // namespace

C2dScenario::C2dScenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                         RunControl& control, WorkerShare)
    : Scenario(options, tls, devices, control),
      drains_(control.phase() == Phase::running),
      taken_(devices.size()) {
  context_.clean_session = false;
}

void C2dScenario::tick(SteadyTime now) {
  for (const std::size_t index : std::exchange(leaving_, {})) links_[index]->close(true);
  look_after_links(now);
  const bool all_tried = open_links();
  if (!told_ready_ && all_tried && (drains_ ? left_ : tried_) == links_.size()) {
    told_ready_ = true;
    control_.report_ready();
    control_.report_done();
  }
  if (control_.phase() != Phase::closing) return;
  for (const auto& link : links_) link->close(true);
  finish();
}

void C2dScenario::on_ready(Link& link) {
  link_opened();
  if (drains_) {
    if (options_.take == 0) leave(link.index());
    return;
  }
  const std::string filter = "devices/" + link.device().id + "/messages/devicebound/#";
  const mqtt::TopicRequest request{filter, mqtt::QoS::at_least_once};
  mqtt::append_subscribe(link.output(), PacketId{1}, {&request, 1});
}

void C2dScenario::on_suback(Link&) {
  ++subscribed_;
  ++tried_;
}

void C2dScenario::on_message(Link& link, const ReceivedMessage& message) {
  if (drains_) return take_waiting(link, message);
  mqtt::append_puback(link.output(), PacketId{message.packet_id});
  received_.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t sent_at = number_of(message.body);
  if (sent_at < 0 || message.is_repetition) {
    ++repetitions_;
  } else if (control_.measuring()) {
    latency_.record(std::chrono::steady_clock::now().time_since_epoch() - std::chrono::nanoseconds(sent_at));
  }
}

// Its number in the queue is its body.
void C2dScenario::take_waiting(Link& link, const ReceivedMessage& message) {
  std::uint64_t& taken = taken_[link.index()];
  if (taken == options_.take) return;  // it stays the hub's
  if (message.is_repetition) ++repetitions_;
  if (number_of(message.body) != static_cast<std::int64_t>(options_.first_sequence + taken)) {
    ++order_violations_;
  }
  mqtt::append_puback(link.output(), PacketId{message.packet_id});
  received_.fetch_add(1, std::memory_order_relaxed);
  if (++taken == options_.take) leave(link.index());
}

void C2dScenario::leave(std::size_t index) {
  leaving_.push_back(index);
  ++left_;
}

void C2dScenario::on_closed(Link& link, std::string_view reason) {
  count_failure(reason);
  if (!link.was_ready()) link_opened();
  if (!told_ready_) ++(drains_ ? left_ : tried_);
}

}  // namespace kyanite::load
