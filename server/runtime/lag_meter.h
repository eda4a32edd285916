#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "protocol/base/time.h"

namespace kyanite {

// LagMeter keeps the longest of what was observed in about the last minute: in the present period of half a
// minute and the two before it. So it says the same to whoever asks, however often they do.
//
// Owner: one thread.
class LagMeter {
 public:
  static constexpr seconds kPeriod{30};

  explicit LagMeter(SteadyTime start) : began_(start) {}

  void observe(SteadyTime now, SteadyTime::duration lag) {
    advance(now);
    longest_[0] = std::max(longest_[0], lag);
  }
  SteadyTime::duration longest(SteadyTime now) {
    advance(now);
    return *std::max_element(longest_.begin(), longest_.end());
  }

 private:
  void advance(SteadyTime now) {
    for (std::size_t i = 0; now - began_ >= kPeriod; ++i) {
      if (i == longest_.size()) {  // nothing of what there was counts any more
        began_ = now;
        return;
      }
      std::shift_right(longest_.begin(), longest_.end(), 1);
      longest_[0] = {};
      began_ += kPeriod;
    }
  }

  SteadyTime began_;                               // of the present period
  std::array<SteadyTime::duration, 3> longest_{};  // of the periods, the present one first
};

}  // namespace kyanite
