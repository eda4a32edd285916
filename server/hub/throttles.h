#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/settings.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// What the service limits by rate (spec device-mqtt.md 9.3).
enum class ThrottleClass : std::uint8_t {
  connections,
  d2c_sends,
  c2d_sends,
  methods,  // in blocks of 4 KB, request and response
  twin_reads,
  twin_updates,
  registry,
  queries,
};
inline constexpr std::size_t kThrottleClassCount = 8;
std::string_view to_string(ThrottleClass of);  // snake_case, for metrics

// So many units of a class a second, and so many at once after a rest.
struct ThrottleGrant {
  double per_second = 0;
  double burst = 0;
};
ThrottleGrant throttle_grant(Tier tier, std::uint32_t units, ThrottleClass of);

// The daily quota of messages: how many a day, and how many bytes count as one.
struct QuotaGrant {
  std::uint64_t messages = 0;
  std::size_t meter_bytes = 4096;
};
QuotaGrant quota_grant(Tier tier, std::uint32_t units);

// Throttles are the service's rate limits and daily quota for the whole hub, so that retry code can be tested
// (spec device-mqtt.md 9, service-rest.md 12). With the tier `off` everything is granted and callers skip the
// rest by is_on(). Sizes and depths are limited elsewhere, always.
//
// The quota is counted in memory: it begins anew at 00:00 UTC of the hub's clock, and at a restart.
//
// Owner: the application. Threads: any; the counters are single atomics, so a race costs one more turn.
class Throttles {
 public:
  // Telemetry over the rate waits its turn at most so long (9.4): below the 30 s of Node.
  static constexpr seconds kShapingMax{20};

  explicit Throttles(const Settings::Limits& limits);

  bool is_on() const { return tier_ != Tier::off; }
  Tier tier() const { return tier_; }

  // Takes so many units now. Errors: throttled, and then nothing was taken.
  Result<void> take(ThrottleClass of, SteadyTime now, std::uint64_t units = 1);
  // Takes what was used without being asked before; those that follow pay for it.
  void charge(ThrottleClass of, SteadyTime now, std::uint64_t units);
  // Takes one unit of what may wait: how long it should. Errors: throttled when that is over kShapingMax.
  Result<milliseconds> reserve(ThrottleClass of, SteadyTime now);
  static std::uint64_t blocks(std::size_t bytes);  // of 4 KB, at least one

  // Errors: quota_exceeded when the day's messages are used up.
  Result<void> check_quota(WallTime now) const;
  // A message of this size was sent: ceil(size / meter), at least one.
  void meter(std::size_t bytes, WallTime now);
  // All of it for an operation that counts as a message: the day's quota, so many units of its class, and its
  // size on the meter. Nothing while throttles are off. Errors: throttled, quota_exceeded.
  Result<void> admit(ThrottleClass of, std::size_t bytes, SteadyTime now, WallTime wall,
                     std::uint64_t units = 1);
  std::uint64_t messages_today(WallTime now) const;
  // Operations that were refused or made to wait, and those refused for the quota, since the start.
  std::uint64_t held_up(ThrottleClass of) const {
    return held_up_[static_cast<std::size_t>(of)].load(std::memory_order_relaxed);
  }
  std::uint64_t quota_refused() const { return quota_refused_.load(std::memory_order_relaxed); }
  std::uint64_t messages_a_day() const { return quota_.messages; }

 private:
  // A bucket as one number (the virtual scheduling form of the leaky bucket): the moment at which all that
  // was taken will be paid for.
  struct Bucket {
    std::int64_t unit_ns = 0;
    std::int64_t burst_ns = 0;
    std::atomic<std::int64_t> paid_at{INT64_MIN};
  };
  // Takes when it is then paid within `wait_ns` beyond the burst; the wait, or nothing when it is longer.
  static std::int64_t take_within(Bucket& bucket, SteadyTime now, std::uint64_t units, std::int64_t wait_ns);
  Bucket& bucket(ThrottleClass of) { return buckets_[static_cast<std::size_t>(of)]; }

  const Tier tier_;
  const QuotaGrant quota_;
  void count(ThrottleClass of) {
    held_up_[static_cast<std::size_t>(of)].fetch_add(1, std::memory_order_relaxed);
  }

  std::array<Bucket, kThrottleClassCount> buckets_;
  std::array<std::atomic<std::uint64_t>, kThrottleClassCount> held_up_{};
  mutable std::atomic<std::uint64_t> quota_refused_{0};
  std::atomic<std::uint64_t> today_{0};  // the day since 1970 and its messages
};

}  // namespace kyanite
