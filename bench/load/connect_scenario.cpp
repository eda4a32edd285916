#include "bench/load/connect_scenario.h"

#include <algorithm>

namespace kyanite::load {

ConnectScenario::ConnectScenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                                 RunControl& control, WorkerShare share)
    : Scenario(options, tls, devices, control),
      step_(options.resume ? Step::priming : Step::waiting),
      attempts_max_(share.of(options.connections)) {
  const std::uint64_t wanted =
      options.concurrency == 0 ? links_.size() : std::max<std::uint64_t>(share.of(options.concurrency), 1);
  at_once_ = std::min<std::size_t>(wanted, links_.size());
  if (step_ == Step::waiting) control.report_ready();
}

void ConnectScenario::tick(SteadyTime now) {
  look_after_links(now);
  if (step_ == Step::priming && open_links()) {
    step_ = Step::waiting;
    control_.report_ready();
  }
  if (control_.phase() == Phase::closing) return finish();
  if (step_ == Step::waiting && control_.phase() == Phase::running) step_ = Step::measuring;
  if (step_ != Step::measuring) return;
  open_more();
  if (ended_ == attempts_max_) {
    control_.report_done();
    finish();
  }
}

void ConnectScenario::open_more() {
  while (started_ < attempts_max_ && started_ - ended_ < at_once_) {
    Link& link = *links_[next_link_];
    if (!link.is_closed()) return;  // its last connection is not over yet
    next_link_ = (next_link_ + 1) % links_.size();
    ++started_;
    link.open();
  }
}

void ConnectScenario::on_ready(Link& link) {
  if (step_ == Step::measuring) {
    latency_.record(std::chrono::steady_clock::now() - link.opened_at());
    ++completed_;
    if (link.was_resumed()) ++resumed_;
  }
  link.close(!options_.drop);
  attempt_ended();
}

void ConnectScenario::on_closed(Link&, std::string_view reason) {
  count_failure(reason);
  attempt_ended();
}

void ConnectScenario::attempt_ended() {
  if (step_ == Step::priming) {
    link_opened();
  } else {
    ++ended_;
    open_more();
  }
}

}  // namespace kyanite::load
