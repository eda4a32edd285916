#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>

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

}  // namespace kyanite
