#pragma once

#include <atomic>
#include <cstdint>

#include "protocol/base/time.h"

namespace kyanite {

// HubClock is the wall clock of the hub: the system's, shifted when a test says so (setting testControl). All
// that is judged by a date goes by it; durations are measured with steady clocks, which no shift touches.
// What concerns the machine and not the devices stays on real_now(): the hub's own certificate, the log.
//
// Owner: the application. Threads: any.
class HubClock {
 public:
  static WallTime real_now() {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  }
  WallTime now() const { return real_now() + shift(); }

  milliseconds shift() const { return milliseconds(shift_ms_.load(std::memory_order_relaxed)); }
  void set_shift(milliseconds shift) { shift_ms_.store(shift.count(), std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> shift_ms_{0};
};

}  // namespace kyanite
