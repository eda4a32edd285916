#pragma once

// Shared between threads: atomic flags, and a mutex for the list of listeners.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/stores.h"

namespace kyanite {

// PressureGauge joins the reasons to refuse writes into one value and tells the shards when it changes.
//
// Owner: shared by the engine's parts and by the tasks it posted. Reply: a listener is given the value of the
// moment it runs, so the last one told is always right however the notices interleave.
class PressureGauge : public std::enable_shared_from_this<PressureGauge> {
 public:
  StorePressure value() const {
    if (disk_low.load()) return StorePressure::disk_low;
    return queue_full.load() ? StorePressure::queue_full : StorePressure::none;
  }

  void add_listener(Executor& home, std::function<void(StorePressure)> listener) {
    auto added = std::make_shared<Listener>(Listener{&home, std::move(listener)});
    {
      const std::lock_guard lock(mutex_);
      listeners_.push_back(added);
    }
    // Looked at after it is in the list: a change in between is told twice rather than never.
    if (value() != StorePressure::none) tell(std::move(added));
  }

  // Call after a flag changed, holding no lock.
  void notify() {
    const auto listeners = [&] {
      const std::lock_guard lock(mutex_);
      return listeners_;
    }();
    for (const auto& listener : listeners) tell(listener);
  }

  std::atomic<bool> queue_full = false;  // set by CommitQueue under its lock
  std::atomic<bool> disk_low = false;    // set by the housekeeping tick

 private:
  struct Listener {
    Executor* home;
    std::function<void(StorePressure)> listener;
  };

  void tell(std::shared_ptr<Listener> listener) {
    Executor& home = *listener->home;
    home.post(
        [self = shared_from_this(), listener = std::move(listener)] { listener->listener(self->value()); });
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_;  // guarded by mutex_
};

}  // namespace kyanite
