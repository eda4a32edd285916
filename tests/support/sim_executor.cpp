#include "tests/support/sim_executor.h"

namespace kyanite::test {

void SimLoop::run() {
  while (!ready_.empty()) {
    auto [executor, task] = std::move(ready_.front());
    ready_.pop_front();
    running_ = executor;
    task();
    task.reset();
    running_ = nullptr;
  }
}

void SimLoop::advance(milliseconds time) {
  const SteadyTime until = now_ + time;
  run();
  while (!timers_.empty() && timers_.begin()->first <= until) {
    auto entry = timers_.extract(timers_.begin());
    wall_ += std::chrono::duration_cast<milliseconds>(entry.key() - now_);
    now_ = entry.key();
    ready_.emplace_back(entry.mapped().executor, std::move(entry.mapped().task));
    run();
  }
  wall_ += std::chrono::duration_cast<milliseconds>(until - now_);
  now_ = until;
}

void SimExecutor::post_all(std::vector<Task> tasks) {
  for (Task& task : tasks) post(std::move(task));
}

TimerId SimExecutor::after(milliseconds delay, Task task) {
  const std::uint64_t id = ++loop_.last_timer_;
  loop_.timers_.emplace(loop_.now_ + delay, SimLoop::Timer{id, this, std::move(task)});
  return {id};
}

void SimExecutor::cancel(TimerId timer) {
  for (auto it = loop_.timers_.begin(); it != loop_.timers_.end(); ++it) {
    if (it->second.id == timer.value) {
      loop_.timers_.erase(it);
      return;
    }
  }
}

}  // namespace kyanite::test
