#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace kyanite::load {

// Latency counts latencies in buckets that grow by powers of two, 64 to each power, so a percentile is right
// to 1.6 %. Unit: microseconds; above about 19 hours the last bucket takes all. Fixed size, one thread.
class Latency {
 public:
  void record(std::chrono::steady_clock::duration value);
  void add(const Latency& other);

  std::uint64_t count() const { return count_; }
  // The upper edge of the bucket that holds the given share (0 to 1) of the values; 0 when there are none.
  std::uint64_t percentile_us(double share) const;
  // {"p50Ms":..., "p90Ms":..., "p99Ms":..., "p999Ms":..., "maxMs":...}
  nlohmann::ordered_json to_json() const;

 private:
  static constexpr unsigned kStepBits = 6;
  static constexpr unsigned kPowers = 36;
  static std::size_t bucket_of(std::uint64_t microseconds);
  static std::uint64_t upper_edge(std::size_t bucket);

  std::array<std::uint64_t, (kPowers - kStepBits + 1) << kStepBits> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_us_ = 0;
};

}  // namespace kyanite::load
