#include "tests/support/sim_executor.h"

#include <algorithm>
#include <utility>

namespace kyanite::test {

SimLoop::Ready::iterator SimLoop::next() {
  if (!shuffle_ || ready_.size() < 2) return ready_.begin();
  SimExecutor* const chosen = ready_[(*shuffle_)() % ready_.size()].first;
  return std::find_if(ready_.begin(), ready_.end(),
                      [chosen](const auto& entry) { return entry.first == chosen; });
}

void SimLoop::step() {
  const auto entry = next();
  auto [executor, task] = std::move(*entry);
  ready_.erase(entry);
  running_ = executor;
  task();
  task.reset();
  running_ = nullptr;
}

void SimLoop::run() {
  while (!ready_.empty()) step();
}

void SimLoop::run_some(std::size_t tasks) {
  for (; tasks > 0 && !ready_.empty(); --tasks) step();
}

void SimLoop::clear() {
  // What is destroyed may post or cancel.
  while (!ready_.empty() || !timers_.empty()) {
    const Ready ready = std::exchange(ready_, {});
    const auto timers = std::exchange(timers_, {});
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
