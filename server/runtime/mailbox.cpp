#include "server/runtime/mailbox.h"

#include <iterator>
#include <utility>

namespace kyanite {

bool Mailbox::push(Task&& task) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(task));
  return !std::exchange(consumer_awake_, true);
}

bool Mailbox::push_all(std::vector<Task>&& tasks) {
  if (tasks.empty()) return false;
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    queue_.swap(tasks);
  } else {
    queue_.insert(queue_.end(), std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
  }
  return !std::exchange(consumer_awake_, true);
}

bool Mailbox::take(std::vector<Task>& batch) {
  KYANITE_ASSERT(batch.empty());
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    consumer_awake_ = false;
    return false;
  }
  queue_.swap(batch);
  return true;
}

std::size_t Mailbox::depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace kyanite
