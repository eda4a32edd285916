#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "protocol/base/reply.h"
#include "protocol/base/unique_function.h"

namespace kyanite {

// TaskThread runs tasks that may block, one after the other, on a thread of its own.
//
// Owner: who posts to it; declared last there, since tasks use what is beside it. Threads: any.
// Bound: `waiting_max` tasks that wait.
class TaskThread {
 public:
  explicit TaskThread(std::size_t waiting_max);
  ~TaskThread();  // stops it
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  enum class Posted { accepted, full, stopping };
  Posted post(Task& task);  // moved from only when it is accepted
  // Waits for the task under way, which may look at is_stopping(); those that wait are destroyed, not run.
  void stop();
  bool is_stopping() const { return stopping_; }

 private:
  void work();

  const std::size_t waiting_max_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;  // protected by mutex_
  std::thread thread_;
};

// Runs `work` there, which answers. What is not taken is answered here: Errc::busy or shutting_down.
template <class T>
void post_with_reply(TaskThread& thread, UniqueFunction<void(Reply<T>)> work, Reply<T> reply) {
  // Shared: a task that was not taken is still to be answered.
  const auto answer = std::make_shared<Reply<T>>(std::move(reply));
  Task task = [work = std::move(work), answer]() mutable { work(std::move(*answer)); };
  switch (thread.post(task)) {
    case TaskThread::Posted::accepted:
      return;
    case TaskThread::Posted::full:
      return (*answer)(Error(Errc::busy));
    case TaskThread::Posted::stopping:
      return (*answer)(Error(Errc::shutting_down));
  }
}

}  // namespace kyanite
