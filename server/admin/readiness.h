#pragma once

#include <atomic>
#include <string_view>
#include <vector>

#include "storage/stores.h"

namespace kyanite {

// Readiness says whether the hub serves: its listeners are open, what the start file names is there, and the
// store takes writes (tools-and-operability.md section 3).
//
// Owner: the application, whose thread sets the phase. Threads: any may ask; the phase is the one thing that
// crosses. The stores outlive it.
class Readiness {
 public:
  enum class Phase { applying_seed, opening_listeners, serving, draining };
  // One reason why not.
  struct Missing {
    std::string_view check;  // "listeners", "seed" or "store"
    std::string_view reason;
  };

  explicit Readiness(const Stores& stores) : stores_(stores) {}

  void set_phase(Phase phase) { phase_.store(phase, std::memory_order_release); }
  Phase phase() const { return phase_.load(std::memory_order_acquire); }

  // Empty when the hub is ready.
  std::vector<Missing> missing() const;

 private:
  const Stores& stores_;
  std::atomic<Phase> phase_{Phase::applying_seed};
};

}  // namespace kyanite
