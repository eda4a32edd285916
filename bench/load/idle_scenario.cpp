#include "bench/load/idle_scenario.h"

namespace kyanite::load {

void IdleScenario::tick(SteadyTime now) {
  look_after_links(now);
  if (control_.phase() == Phase::closing) {
    for (const auto& link : links_) link->close(!options_.drop);
    control_.report_done();
    return finish();
  }
  if (!told_ready_ && open_links()) {
    told_ready_ = true;
    control_.report_ready();
  }
}

void IdleScenario::on_ready(Link&) {
  link_opened();
  ++opened_;
}

void IdleScenario::on_closed(Link& link, std::string_view reason) {
  count_failure(reason);
  if (link.was_ready()) {
    ++lost_;
  } else {
    link_opened();
  }
}

}  // namespace kyanite::load
