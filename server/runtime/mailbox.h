#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "protocol/base/unique_function.h"

namespace kyanite {

// Mailbox is the queue into one shard: many producers, one consumer. It is one of the few synchronised
// objects.
//
// A producer swaps nothing and waits for nobody but the mutex; the consumer takes everything at once. The
// consumer is woken once when the mailbox was idle, not once a task: that is what makes a hop cheap
// (architecture.md section 1; bench/micro/mailbox_bench.cpp measures it).
// Bound: counted (depth()), not limited; who posts is limited by its own back-pressure.
class Mailbox {
 public:
  // Appends. True when the consumer sleeps and the caller must wake it.
  [[nodiscard]] bool push(Task&& task);
  [[nodiscard]] bool push_all(std::vector<Task>&& tasks);

  // Consumer only: moves everything queued into `batch`, which must be empty. False when nothing was queued;
  // the next push then asks for a wake-up.
  [[nodiscard]] bool take(std::vector<Task>& batch);

  std::size_t depth() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Task> queue_;      // protected by mutex_
  bool consumer_awake_ = false;  // protected by mutex_
};

}  // namespace kyanite
