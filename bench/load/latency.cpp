#include "bench/load/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kyanite::load {

std::size_t Latency::bucket_of(std::uint64_t microseconds) {
  constexpr std::uint64_t kSteps = 1U << kStepBits;
  if (microseconds < kSteps) return microseconds;
  const unsigned power = static_cast<unsigned>(std::bit_width(microseconds)) - 1;
  if (power >= kPowers) return std::tuple_size_v<decltype(buckets_)> - 1;
  const std::uint64_t step = (microseconds >> (power - kStepBits)) - kSteps;
  return ((power - kStepBits + 1) << kStepBits) + step;
}

std::uint64_t Latency::upper_edge(std::size_t bucket) {
  constexpr std::uint64_t kSteps = 1U << kStepBits;
  if (bucket < kSteps) return bucket;
  const unsigned shift = static_cast<unsigned>(bucket >> kStepBits) - 1;
  return ((kSteps + (bucket & (kSteps - 1)) + 1) << shift) - 1;
}

void Latency::record(std::chrono::steady_clock::duration value) {
  const auto ticks = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
  const std::uint64_t microseconds = ticks < 0 ? 0 : static_cast<std::uint64_t>(ticks);
  ++buckets_[bucket_of(microseconds)];
  ++count_;
  max_us_ = std::max(max_us_, microseconds);
}

void Latency::add(const Latency& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_us_ = std::max(max_us_, other.max_us_);
}

std::uint64_t Latency::percentile_us(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(upper_edge(i), max_us_);
  }
  return max_us_;
}

nlohmann::ordered_json Latency::to_json() const {
  const auto ms = [](std::uint64_t microseconds) { return static_cast<double>(microseconds) / 1000.0; };
  return {{"p50Ms", ms(percentile_us(0.50))},
          {"p90Ms", ms(percentile_us(0.90))},
          {"p99Ms", ms(percentile_us(0.99))},
          {"p999Ms", ms(percentile_us(0.999))},
          {"maxMs", ms(max_us_)}};
}

}  // namespace kyanite::load
