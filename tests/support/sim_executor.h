#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "protocol/base/executor.h"

namespace kyanite::test {

class SimExecutor;

// SimLoop is the virtual time of a simulated hub: it runs the tasks of all its executors, one at a time, in
// the order they were posted, and its clock moves only when a test says so. Shuffled, any executor with work
// may be next, as threads are; each still runs its own tasks in order.
class SimLoop {
 public:
  explicit SimLoop(WallTime wall = WallTime(seconds{1'767'607'200})) : wall_(wall) {}  // 2026-01-05T10:00:00Z
  SimLoop(const SimLoop&) = delete;
  SimLoop& operator=(const SimLoop&) = delete;

  // Runs what is ready until nothing is, or `tasks` at most; time stands still.
  void run();
  void run_some(std::size_t tasks);
  void shuffle(std::uint64_t seed) { shuffle_.emplace(seed); }
  // Forgets every task and timer, as the end of the process does.
  void clear();
  // Lets time pass; timers run in order.
  void advance(milliseconds time);
  // The wall clock steps, as when an operator sets it.
  void step_wall_clock(milliseconds by) { wall_ += by; }

  SteadyTime now() const { return now_; }
  WallTime wall_now() const { return wall_; }
  std::size_t timers() const { return timers_.size(); }
  std::size_t ready() const { return ready_.size(); }

 private:
  friend class SimExecutor;
  struct Timer {
    std::uint64_t id;
    SimExecutor* executor;
    Task task;
  };

  using Ready = std::deque<std::pair<SimExecutor*, Task>>;
  Ready::iterator next();
  void step();

  Ready ready_;
  std::optional<std::mt19937_64> shuffle_;
  std::multimap<SteadyTime, Timer> timers_;
  std::uint64_t last_timer_ = 0;
  SimExecutor* running_ = nullptr;
  SteadyTime now_{};
  WallTime wall_;
};

// One simulated shard of a SimLoop.
class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(SimLoop& loop) : loop_(loop) {}

  void post(Task task) override { loop_.ready_.emplace_back(this, std::move(task)); }
  void post_all(std::vector<Task> tasks) override;
  TimerId after(milliseconds delay, Task task) override;
  void cancel(TimerId timer) override;
  SteadyTime now() const override { return loop_.now_; }
  WallTime wall_now() const override { return loop_.wall_; }
  // Tests may touch a shard's objects between two tasks.
  bool is_current() const override { return loop_.running_ == nullptr || loop_.running_ == this; }

 private:
  SimLoop& loop_;
};

}  // namespace kyanite::test
