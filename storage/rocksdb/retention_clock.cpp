#include "storage/rocksdb/retention_clock.h"

#include <algorithm>
#include <utility>

namespace kyanite {

RetentionClock::RetentionClock(Sources sources, WallTime newest) : sources_(std::move(sources)) {
  const Reading reading = read();
  believed_ = reading.wall;
  read_at_ = reading.steady;
  const milliseconds ahead = believed_ - newest;
  if (newest == WallTime{} || ahead <= kSlack) return;
  step_ = Step{read_at_, ahead};  // not told: most often the hub was off
  believed_ = newest;
}

// Time that passes between the two clocks, as when the process is stopped there, would look like a step the
// next time.
RetentionClock::Reading RetentionClock::read() const {
  constexpr seconds kMoment{1};
  for (SteadyTime before = sources_.steady();;) {
    const WallTime wall = sources_.wall();
    const SteadyTime after = sources_.steady();
    if (after - before < kMoment) return {wall, after};
    before = after;
  }
}

WallTime RetentionClock::now() {
  const auto [wall, steady] = read();
  const auto passed = std::chrono::duration_cast<milliseconds>(steady - read_at_);
  read_at_ = steady;
  const WallTime expected = believed_ + passed;
  if (wall - expected <= kSlack) {
    step_.reset();
    believed_ = wall;
    return believed_;
  }
  follow_step(wall - expected);
  if (steady - step_->since >= kPersistence) {
    step_.reset();
    believed_ = wall;
  } else {
    believed_ = expected;
  }
  return believed_;
}

// A lead that changes is another step, whose time begins anew.
void RetentionClock::follow_step(milliseconds ahead) {
  if (step_ && std::chrono::abs(ahead - step_->ahead) <= kSlack) return;
  step_ = Step{read_at_, ahead};
  if (sources_.on_step) sources_.on_step(ahead);
}

}  // namespace kyanite
