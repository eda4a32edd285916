#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace kyanite {

// Histogram counts observations by fixed upper bounds, as Prometheus has them: a bucket holds what is at most
// its bound, the last one the rest. Plain numbers without allocation: one thread writes, others get a copy.
// `Bounds::kUpper` are the bounds, ascending.
template <class Bounds>
class Histogram {
 public:
  static constexpr std::size_t kBuckets = Bounds::kUpper.size() + 1;

  void observe(double value, std::uint64_t times = 1) {
    const auto at = std::lower_bound(Bounds::kUpper.begin(), Bounds::kUpper.end(), value);
    counts_[static_cast<std::size_t>(at - Bounds::kUpper.begin())] += times;
    sum_ += value * static_cast<double>(times);
  }

  void add(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    sum_ += other.sum_;
  }

  // Of one bucket alone, not cumulative.
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket]; }
  double sum() const { return sum_; }

 private:
  std::array<std::uint64_t, kBuckets> counts_{};
  double sum_ = 0;
};

// Seconds that something takes, from a commit in memory to a device that thinks long.
struct SecondsBounds {
  static constexpr std::array<double, 15> kUpper{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                 0.25,   0.5,   1,      2.5,   5,    10,    30};
};
using SecondsHistogram = Histogram<SecondsBounds>;

// How many of something are handled together.
struct SizeBounds {
  static constexpr std::array<double, 9> kUpper{1, 2, 4, 16, 64, 256, 1024, 2048, 4096};
};
using SizeHistogram = Histogram<SizeBounds>;

}  // namespace kyanite
