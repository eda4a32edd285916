#include "server/hub/throttles.h"

#include <algorithm>

#include "protocol/base/assert.h"

namespace kyanite {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kRefused = -1;
constexpr std::size_t kBlockBytes = 4096;
constexpr unsigned kDayShift = 40;  // the rest counts messages: 200 units of S3 need 36 bits
constexpr std::uint64_t kCountMask = (std::uint64_t{1} << kDayShift) - 1;

// The three columns of the service's table; F1 has the rates of S1.
template <class T>
T of_tier(Tier tier, T s1, T s2, T s3) {
  switch (tier) {
    case Tier::s2:
      return s2;
    case Tier::s3:
      return s3;
    default:
      return s1;
  }
}

// The service states these by the minute, and grants a minute's worth at once.
ThrottleGrant by_the_minute(double per_minute) { return {per_minute / 60, per_minute}; }
ThrottleGrant by_the_second(double per_second) { return {per_second, per_second}; }

std::int64_t ns_of(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::uint64_t day_of(WallTime time) {
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::days>(time).time_since_epoch().count());
}

}  // namespace

std::string_view to_string(ThrottleClass of) {
  switch (of) {
    case ThrottleClass::connections:
      return "connections";
    case ThrottleClass::d2c_sends:
      return "telemetry";
    case ThrottleClass::c2d_sends:
      return "c2d";
    case ThrottleClass::methods:
      return "methods";
    case ThrottleClass::twin_reads:
      return "twin_reads";
    case ThrottleClass::twin_updates:
      return "twin_updates";
    case ThrottleClass::registry:
      return "registry";
    case ThrottleClass::queries:
      return "queries";
  }
  return "unknown";
}

ThrottleGrant throttle_grant(Tier tier, std::uint32_t units, ThrottleClass of) {
  const double u = units;
  switch (of) {
    case ThrottleClass::connections:
    case ThrottleClass::d2c_sends:
      return by_the_second(of_tier(tier, std::max(100.0, 12 * u), 120 * u, 6000 * u));
    case ThrottleClass::c2d_sends:
    case ThrottleClass::registry:
      return by_the_minute(of_tier(tier, 100 * u, 100 * u, 5000 * u));
    case ThrottleClass::queries:
      return by_the_minute(of_tier(tier, 20 * u, 20 * u, 1000 * u));
    case ThrottleClass::methods:  // 160 KB, 480 KB, 24 MB
      return by_the_second(of_tier(tier, 40 * u, 120 * u, 6144 * u));
    case ThrottleClass::twin_reads:
      return by_the_second(of_tier(tier, 100.0, std::max(100.0, 10 * u), 500 * u));
    case ThrottleClass::twin_updates:
      return by_the_second(of_tier(tier, 50.0, std::max(50.0, 5 * u), 250 * u));
  }
  KYANITE_ASSERT(false);
  return {};
}

QuotaGrant quota_grant(Tier tier, std::uint32_t units) {
  if (tier == Tier::f1) return {8'000, 512};
  const std::uint64_t of_unit = of_tier<std::uint64_t>(tier, 400'000, 6'000'000, 300'000'000);
  return {of_unit * units, kBlockBytes};
}

Throttles::Throttles(const Settings::Limits& limits)
    : tier_(limits.tier), quota_(quota_grant(limits.tier, limits.units)) {
  for (std::size_t i = 0; i < kThrottleClassCount; ++i) {
    const ThrottleGrant grant = throttle_grant(tier_, limits.units, static_cast<ThrottleClass>(i));
    buckets_[i].unit_ns = static_cast<std::int64_t>(static_cast<double>(kNsPerSecond) / grant.per_second);
    buckets_[i].burst_ns = static_cast<std::int64_t>(grant.burst) * buckets_[i].unit_ns;
  }
}

std::uint64_t Throttles::blocks(std::size_t bytes) {
  return std::max<std::size_t>(1, (bytes + kBlockBytes - 1) / kBlockBytes);
}

std::int64_t Throttles::take_within(Bucket& bucket, SteadyTime now, std::uint64_t units,
                                    std::int64_t wait_ns) {
  const std::int64_t now_ns = ns_of(now);
  std::int64_t before = bucket.paid_at.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t after = std::max(before, now_ns) + static_cast<std::int64_t>(units) * bucket.unit_ns;
    const std::int64_t wait = std::max<std::int64_t>(0, after - now_ns - bucket.burst_ns);
    if (wait > wait_ns) return kRefused;
    if (bucket.paid_at.compare_exchange_weak(before, after, std::memory_order_relaxed)) return wait;
  }
}

Result<void> Throttles::take(ThrottleClass of, SteadyTime now, std::uint64_t units) {
  if (is_on() && take_within(bucket(of), now, units, 0) == kRefused) {
    count(of);
    return Error(Errc::throttled, "over the rate of the tier");
  }
  return {};
}

void Throttles::charge(ThrottleClass of, SteadyTime now, std::uint64_t units) {
  if (is_on()) take_within(bucket(of), now, units, INT64_MAX);
}

Result<milliseconds> Throttles::reserve(ThrottleClass of, SteadyTime now) {
  if (!is_on()) return milliseconds(0);
  const std::int64_t wait = take_within(bucket(of), now, 1, std::chrono::nanoseconds(kShapingMax).count());
  if (wait != 0) count(of);
  if (wait == kRefused) return Error(Errc::throttled, "over the rate of the tier for too long");
  return std::chrono::ceil<milliseconds>(std::chrono::nanoseconds(wait));
}

Result<void> Throttles::check_quota(WallTime now) const {
  if (!is_on() || messages_today(now) < quota_.messages) return {};
  quota_refused_.fetch_add(1, std::memory_order_relaxed);
  return Error(Errc::quota_exceeded, "the messages of the day are used up");
}

void Throttles::meter(std::size_t bytes, WallTime now) {
  if (!is_on()) return;
  const std::uint64_t messages =
      std::max<std::size_t>(1, (bytes + quota_.meter_bytes - 1) / quota_.meter_bytes);
  const std::uint64_t today = day_of(now) << kDayShift;
  std::uint64_t before = today_.load(std::memory_order_relaxed);
  for (;;) {
    const bool same_day = (before & ~kCountMask) == today;
    const std::uint64_t count = std::min(messages + (same_day ? before & kCountMask : 0), kCountMask);
    if (today_.compare_exchange_weak(before, today | count, std::memory_order_relaxed)) return;
  }
}

Result<void> Throttles::admit(ThrottleClass of, std::size_t bytes, SteadyTime now, WallTime wall,
                              std::uint64_t units) {
  if (!is_on()) return {};
  if (Result<void> quota = check_quota(wall); !quota) return quota;
  Result<void> taken = take(of, now, units);
  // A twin that is read counts by the size of the answer, which is not known yet.
  if (taken && of != ThrottleClass::twin_reads) meter(bytes, wall);
  return taken;
}

std::uint64_t Throttles::messages_today(WallTime now) const {
  const std::uint64_t counted = today_.load(std::memory_order_relaxed);
  return counted >> kDayShift == day_of(now) ? counted & kCountMask : 0;
}

}  // namespace kyanite
