#include "bench/load/publish_scenario.h"

#include <limits>
#include <random>

#include "protocol/base/assert.h"

namespace kyanite::load {
namespace {

constexpr std::size_t kPaddingBytes = 1 << 20;

// Text that does not compress, so that the store has the work that real bodies give it.
const std::string& padding_text() {
  static const std::string text = [] {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static_assert(kAlphabet.size() == 64);
    std::mt19937_64 random(1);  // the same in every run
    std::string made(kPaddingBytes, ' ');
    for (char& c : made) c = kAlphabet[random() % kAlphabet.size()];
    return made;
  }();
  return text;
}

constexpr auto kDrainTimeMax = std::chrono::seconds(60);
constexpr auto kDrainTimeWhenStopped = std::chrono::seconds(15);  // by a signal: somebody waits

AckLog open_log(const std::string& path) {
  Result<AckLog> log = AckLog::open(path);
  KYANITE_ASSERT(log.has_value());  // the main thread tried the same file first
  return std::move(*log);
}

}  // namespace

PublishScenario::PublishScenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                                 RunControl& control, WorkerShare share)
    : Scenario(options, tls, devices, control),
      rate_(options.rate / static_cast<double>(share.count)),
      messages_max_(options.messages == 0 ? std::numeric_limits<std::uint64_t>::max()
                                          : share.of(options.messages)),
      flows_(devices.size()),
      ack_log_(open_log(options.ack_log)) {
  for (Flow& flow : flows_) {
    flow.ring.resize(options.window);
    flow.next_sequence = options.first_sequence;
  }
}

int PublishScenario::turn_ms() const {
  if (step_ == Step::waiting || (step_ == Step::publishing && rate_ > 0)) return 1;
  return 20;
}

void PublishScenario::tick(SteadyTime now) {
  ack_log_.write_out();
  look_after_links(now);
  switch (step_) {
    case Step::opening:
      if (control_.phase() == Phase::closing) return end();
      if (!open_links()) return;
      step_ = Step::waiting;
      control_.report_ready();
      return;
    case Step::waiting:
      if (control_.phase() == Phase::closing) return end();
      if (control_.phase() == Phase::running) begin(now);
      return;
    case Step::publishing:
      if (rate_ > 0) publish_due(now);
      if (control_.phase() != Phase::closing && sent_ < messages_max_ && live_links_ != 0) return;
      step_ = Step::draining;
      drain_until_ = now + (RunControl::stop_requested() ? kDrainTimeWhenStopped : kDrainTimeMax);
      return;
    case Step::draining:
      if (in_flight_ != 0 && live_links_ != 0 && now < drain_until_) return;
      return end();
  }
}

void PublishScenario::begin(SteadyTime now) {
  step_ = Step::publishing;
  began_ = now;
  if (rate_ > 0) return;
  for (std::uint32_t i = 0; i < options_.window; ++i) {
    for (const auto& link : links_) publish(*link, now);
  }
}

void PublishScenario::publish_due(SteadyTime now) {
  const double elapsed = std::chrono::duration<double>(now - began_).count();
  const auto slots = static_cast<std::uint64_t>(elapsed * rate_);
  std::size_t refused = 0;
  while (rate_slots_used_ < slots && refused < links_.size() && may_publish()) {
    const auto after = std::chrono::duration<double>(static_cast<double>(rate_slots_used_) / rate_);
    Link& link = *links_[next_link_];
    next_link_ = (next_link_ + 1) % links_.size();
    if (publish(link, began_ + std::chrono::duration_cast<SteadyTime::duration>(after))) {
      ++rate_slots_used_;
      refused = 0;
    } else {
      ++refused;
    }
  }
}

bool PublishScenario::publish(Link& link, SteadyTime due) {
  Flow& flow = flows_[link.index()];
  if (!may_publish() || !link.is_ready() || flow.in_flight == flow.ring.size() || !link.has_room())
    return false;
  InFlight& message = flow.ring[(flow.oldest + flow.in_flight) % flow.ring.size()];
  message = {flow.next_packet_id, flow.next_sequence++, due};
  flow.next_packet_id =
      flow.next_packet_id == 65535 ? std::uint16_t{1} : static_cast<std::uint16_t>(flow.next_packet_id + 1);
  ++flow.in_flight;
  ++in_flight_;
  ++sent_;
  make_body(link.device(), message.sequence);
  link.publish(body_, message.packet_id);
  return true;
}

void PublishScenario::make_body(const Device& device, std::uint64_t sequence) {
  body_.assign(R"({"device":")")
      .append(device.id)
      .append(R"(","sequence":)")
      .append(std::to_string(sequence));
  constexpr std::string_view kPadding = R"(,"padding":")";
  if (body_.size() + kPadding.size() + 2 <= options_.payload_bytes) {
    body_.append(kPadding);
    const std::size_t size = options_.payload_bytes - body_.size() - 2;
    body_.append(padding_text(), (sent_ * 4099) % (kPaddingBytes - size), size).append("\"");
  }
  body_.append("}");
}

void PublishScenario::on_ready(Link&) {
  link_opened();
  ++live_links_;
}

void PublishScenario::on_puback(Link& link, std::uint16_t packet_id) {
  Flow& flow = flows_[link.index()];
  if (flow.in_flight == 0 || flow.ring[flow.oldest].packet_id != packet_id) {
    ++order_violations_;
    return;
  }
  const InFlight message = flow.ring[flow.oldest];
  flow.oldest = (flow.oldest + 1) % flow.ring.size();
  --flow.in_flight;
  --in_flight_;
  acknowledged_.store(acknowledged() + 1, std::memory_order_relaxed);
  ack_log_.acknowledged(link.device().id, message.sequence);
  const SteadyTime now = std::chrono::steady_clock::now();
  if (control_.measuring()) latency_.record(now - message.due);
  if (rate_ == 0) publish(link, now);
}

// Credit that was missing when an acknowledgement made room in the window.
void PublishScenario::on_room(Link& link) {
  if (rate_ > 0) return;
  while (publish(link, std::chrono::steady_clock::now())) {
  }
}

void PublishScenario::on_closed(Link& link, std::string_view reason) {
  count_failure(reason);
  if (!link.was_ready()) {
    ++open_failures_;
    link_opened();
    return;
  }
  ++lost_connections_;
  --live_links_;
  Flow& flow = flows_[link.index()];
  in_flight_ -= flow.in_flight;
  flow.in_flight = 0;
}

void PublishScenario::end() {
  for (const auto& link : links_) {
    const Flow& flow = flows_[link->index()];
    if (flow.next_sequence != options_.first_sequence) {
      ack_log_.sent(link->device().id, options_.first_sequence, flow.next_sequence - 1);
    }
    link->close(true);
  }
  ack_log_.write_out();
  control_.report_done();
  finish();
}

}  // namespace kyanite::load
