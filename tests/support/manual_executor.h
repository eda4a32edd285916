#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"

namespace kyanite {

// An executor whose thread is the test: tasks run only inside run_ready() and run_until(), the clocks move
// only when told. Anything may be posted from any thread.
class ManualExecutor final : public Executor {
 public:
  void post(Task task) override {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      ++wake_ups_;
    }
    wake_.notify_all();
  }
  void post_all(std::vector<Task> tasks) override {
    {
      const std::lock_guard lock(mutex_);
      for (Task& task : tasks) tasks_.push_back(std::move(task));
      ++wake_ups_;
    }
    wake_.notify_all();
  }
  TimerId after(milliseconds delay, Task task) override {
    const std::lock_guard lock(mutex_);
    timers_.emplace(std::pair{now_ + delay, ++last_timer_}, std::move(task));
    return {last_timer_};
  }
  void cancel(TimerId timer) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer.value; });
  }
  SteadyTime now() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  WallTime wall_now() const override {
    const std::lock_guard lock(mutex_);
    return wall_;
  }
  bool is_current() const override { return std::this_thread::get_id() == owner_; }

  // Runs what is posted, and what that posts; true when it ran something.
  bool run_ready() {
    bool ran = false;
    while (auto task = take()) {
      (*task)();
      ran = true;
    }
    return ran;
  }

  // Runs tasks until the condition holds; false when it did not within the limit. A condition that another
  // thread makes true without a task for this one is looked at again now and then.
  template <class Condition>
  bool run_until(Condition condition, seconds limit = seconds(120)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
      run_ready();
      if (condition()) return true;
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, milliseconds(20), [&] { return !tasks_.empty(); });
    }
  }

  // The wall clock alone, as when somebody sets it.
  void step_wall_clock(milliseconds by) {
    const std::lock_guard lock(mutex_);
    wall_ += by;
  }
  // Moves both clocks and runs the timers that are due.
  void advance(milliseconds by) {
    std::vector<Task> due;
    {
      const std::lock_guard lock(mutex_);
      now_ += by;
      wall_ += by;
      while (!timers_.empty() && timers_.begin()->first.first <= now_) {
        due.push_back(std::move(timers_.begin()->second));
        timers_.erase(timers_.begin());
      }
    }
    for (Task& task : due) task();
    run_ready();
  }
  void set_wall(WallTime wall) {
    const std::lock_guard lock(mutex_);
    wall_ = wall;
  }
  std::size_t wake_ups() const {
    const std::lock_guard lock(mutex_);
    return wake_ups_;
  }

 private:
  std::optional<Task> take() {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return std::nullopt;
    std::optional<Task> task(std::move(tasks_.front()));
    tasks_.pop_front();
    return task;
  }

  const std::thread::id owner_ = std::this_thread::get_id();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::map<std::pair<SteadyTime, std::uint64_t>, Task> timers_;
  std::uint64_t last_timer_ = 0;
  std::size_t wake_ups_ = 0;
  SteadyTime now_{};
  WallTime wall_{milliseconds(1'700'000'000'000)};
};

// Calls start(Reply<T>) and runs the executor until the answer is there.
template <class T, class Start>
Result<T> await(ManualExecutor& executor, Start start) {
  std::optional<Result<T>> answer;
  start(Reply<T>(executor, [&](Result<T> result) { answer = std::move(result); }));
  if (!executor.run_until([&] { return answer.has_value(); }, seconds(600)))
    return Error(Errc::timed_out, "no answer");
  return std::move(*answer);
}

}  // namespace kyanite
