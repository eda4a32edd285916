#pragma once

#include <functional>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"

namespace kyanite {

struct ClockState {
  WallTime now{};
  milliseconds shift{0};  // against the real clock
};

// ClockControl shifts the hub's wall clock for tests and tells everybody who waits for a date: each change is
// answered after all of them have looked at the clock again, so that whoever saw the answer finds every
// expiry in force. Steady time goes on undisturbed.
//
// Threads: the operations may be called on any shard; the shift is kept on shard 0 and replies go home.
class ClockControl {
 public:
  using SetShift = std::function<void(milliseconds)>;
  using Listener = std::function<void(milliseconds shift)>;

  // `set_shift` moves the clock of all executors; called on shard 0.
  ClockControl(Executor& shard0, SetShift set_shift);

  // Runs on `home` at each change, when the clock has been moved. Register before the shards start; what a
  // listener names must outlive them.
  void on_shift(Executor& home, Listener listener);

  void get(Reply<ClockState> reply);
  // Errors: argument_invalid when the hub's time would leave the years 2000 to 9000.
  void shift_to(milliseconds shift, Reply<ClockState> reply);
  void advance(milliseconds by, Reply<ClockState> reply);
  void set_now(WallTime now, Reply<ClockState> reply);

 private:
  struct Round;
  void change(milliseconds shift, Reply<ClockState> reply);
  WallTime real_now() const { return shard0_.wall_now() - shift_; }

  struct Target {
    Executor* home;
    Listener listener;
  };

  Executor& shard0_;
  SetShift set_shift_;
  std::vector<Target> targets_;
  milliseconds shift_{0};  // shard 0's
};

}  // namespace kyanite
