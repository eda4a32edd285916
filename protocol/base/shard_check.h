#pragma once

#include <thread>

#include "protocol/base/assert.h"

namespace kyanite {

// A member of every type that belongs to one shard: check() stops a debug or sanitizer build that touches the
// owner from another thread. It binds to the first thread that calls it.
class ShardCheck {
 public:
  void check() const {
#ifndef NDEBUG
    if (owner_ == std::thread::id{}) owner_ = std::this_thread::get_id();
    KYANITE_ASSERT(owner_ == std::this_thread::get_id());
#endif
  }

 private:
#ifndef NDEBUG
  mutable std::thread::id owner_;
#endif
};

}  // namespace kyanite
