#include "server/app/task_thread.h"

#include <utility>

namespace kyanite {

TaskThread::TaskThread(std::size_t waiting_max) : waiting_max_(waiting_max), thread_([this] { work(); }) {}

TaskThread::~TaskThread() { stop(); }

TaskThread::Posted TaskThread::post(Task& task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Posted::stopping;
    if (tasks_.size() >= waiting_max_) return Posted::full;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
  return Posted::accepted;
}

void TaskThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::deque<Task> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
  }
}

void TaskThread::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
      continue;
    }
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = {};
    lock.lock();
  }
}

}  // namespace kyanite
