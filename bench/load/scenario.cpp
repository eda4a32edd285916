#include "bench/load/scenario.h"

namespace kyanite::load {
namespace {

constexpr auto kOpenTimeMax = std::chrono::seconds(60);
constexpr auto kLookAfter = std::chrono::seconds(1);
constexpr std::size_t kReasonsMax = 32;

}  // namespace

Scenario::Scenario(const Options& options, const TlsClient& tls, std::span<Device> devices,
                   RunControl& control)
    : options_(options),
      control_(control),
      context_{loop_,
               tls,
               options.target,
               *this,
               options.keep_alive_seconds,
               options.resume,
               options.websocket,
               true,
               options.amqp ? options.batch : 0} {
  links_.reserve(devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    links_.push_back(std::make_unique<Link>(context_, devices[i], i));
  }
}

void Scenario::run() {
  while (!finished_) {
    tick(std::chrono::steady_clock::now());
    if (!finished_) loop_.turn(turn_ms());
  }
}

bool Scenario::open_links() {
  const std::size_t at_once = options_.concurrency == 0 ? links_.size() : options_.concurrency;
  while (opening_ < at_once && next_to_open_ < links_.size()) {
    ++opening_;
    links_[next_to_open_++]->open();
  }
  return opening_ == 0 && next_to_open_ == links_.size();
}

void Scenario::look_after_links(SteadyTime now) {
  if (now - looked_at_ < kLookAfter) return;
  looked_at_ = now;
  for (const auto& link : links_) {
    if (link->is_ready()) {
      link->ping_if_due(now);
    } else if (!link->is_closed() && now - link->opened_at() > kOpenTimeMax) {
      link->close(false);
      on_closed(*link, "timed out");
    }
  }
}

void Scenario::count_failure(std::string_view reason) {
  const bool known = failures_.contains(std::string(reason));
  ++failures_[known || failures_.size() < kReasonsMax ? std::string(reason) : "other"];
}

}  // namespace kyanite::load
