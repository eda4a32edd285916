#pragma once

#include <string>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/result.h"
#include "storage/c2d_store.h"

namespace kyanite {

class DeviceRouter;
class FeedbackQueue;

// C2dSweep ends messages whose time to live is over while nobody looks at their queue: it asks the store for
// their devices and tells the owners, and lets the feedback queue do the same.
//
// Owner: the application; everything runs on shard 0. Bound: limits::kC2dSweepMax devices a round, one round
// at a time.
class C2dSweep {
 public:
  C2dSweep(Executor& shard0, C2dStore& store, DeviceRouter& router, FeedbackQueue& feedback);
  C2dSweep(const C2dSweep&) = delete;
  C2dSweep& operator=(const C2dSweep&) = delete;

  // From any thread: the first round, and the others after it.
  void start();
  // On shard 0: the wall clock was shifted.
  void on_clock_shift() { run(); }

 private:
  void run();
  void on_found(const Result<std::vector<std::string>>& devices);
  void run_after(milliseconds pause);

  Executor& shard0_;
  C2dStore& store_;
  DeviceRouter& router_;
  FeedbackQueue& feedback_;
  bool reading_ = false;
  bool again_ = false;  // the clock was shifted meanwhile
  TimerId timer_{};
};

}  // namespace kyanite
