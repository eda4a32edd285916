#pragma once

#include <functional>
#include <optional>

#include "protocol/base/time.h"

namespace kyanite {

// RetentionClock is the wall clock as far as retention may believe it. What retention drops is gone, and a
// wall clock may be wrong for minutes: a real-time clock with an empty battery, a bad time server. So between
// two readings this time advances by no more than the steady clock did, plus kSlack; a wall clock that runs
// ahead further is believed after it has kept its lead for kPersistence of steady time. A step back is
// followed at once, since it only keeps more.
//
// After a start the newest record is the reading before; a wall clock far past it (the hub was off for long)
// has to persist too. Owner: Retention, one thread.
class RetentionClock {
 public:
  static constexpr std::chrono::minutes kSlack{5};
  static constexpr std::chrono::hours kPersistence{1};

  struct Sources {
    std::function<WallTime()> wall;
    std::function<SteadyTime()> steady;
    std::function<void(milliseconds ahead)> on_step;  // once for each step forward; may be empty
  };

  // `newest` is the time of the newest record, WallTime{} when there is none.
  RetentionClock(Sources sources, WallTime newest);

  WallTime now();

 private:
  struct Step {
    SteadyTime since;
    milliseconds ahead;
  };
  struct Reading {
    WallTime wall;
    SteadyTime steady;
  };
  // Both clocks of one moment.
  Reading read() const;
  void follow_step(milliseconds ahead);

  const Sources sources_;
  WallTime believed_;
  SteadyTime read_at_;
  std::optional<Step> step_;  // a lead of the wall clock that is not believed yet
};

}  // namespace kyanite
