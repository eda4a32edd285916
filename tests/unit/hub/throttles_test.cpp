#include "server/hub/throttles.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kMorning{seconds{1'767'607'200}};  // 2026-01-05T10:00:00Z
constexpr ThrottleClass kAll[] = {ThrottleClass::connections, ThrottleClass::d2c_sends,
                                  ThrottleClass::c2d_sends,   ThrottleClass::methods,
                                  ThrottleClass::twin_reads,  ThrottleClass::twin_updates,
                                  ThrottleClass::registry,    ThrottleClass::queries};

SteadyTime at(milliseconds time) { return SteadyTime(time); }

// How many are granted at once at this time.
std::uint64_t taken_at_once(Throttles& throttles, ThrottleClass of, SteadyTime now) {
  std::uint64_t count = 0;
  while (throttles.take(of, now)) ++count;
  return count;
}

TEST(Throttles, off_grants_everything) {
  Throttles throttles({Tier::off, 1});
  EXPECT_FALSE(throttles.is_on());
  for (const ThrottleClass of : kAll) {
    for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(throttles.take(of, at(0ms)));
    EXPECT_EQ(throttles.reserve(of, at(0ms)).value(), 0ms);
  }
  throttles.meter(1'000'000'000'000, kMorning);
  EXPECT_TRUE(throttles.check_quota(kMorning));
}

// The table of the service (spec device-mqtt.md 9.3), in blocks of 4 KB for methods.
struct Row {
  Tier tier;
  std::uint32_t units;
  double connections, d2c, c2d_a_minute, method_blocks, twin_reads, twin_updates, registry_a_minute;
};
constexpr Row kTable[] = {
    {Tier::f1, 1, 100, 100, 100, 40, 100, 50, 100},
    {Tier::s1, 1, 100, 100, 100, 40, 100, 50, 100},
    {Tier::s1, 10, 120, 120, 1'000, 400, 100, 50, 1'000},
    {Tier::s2, 1, 120, 120, 100, 120, 100, 50, 100},
    {Tier::s2, 20, 2'400, 2'400, 2'000, 2'400, 200, 100, 2'000},
    {Tier::s3, 1, 6'000, 6'000, 5'000, 6'144, 500, 250, 5'000},
    {Tier::s3, 2, 12'000, 12'000, 10'000, 12'288, 1'000, 500, 10'000},
};

TEST(Throttles, every_class_of_every_tier_has_the_rate_of_the_table) {
  for (const Row& row : kTable) {
    const double wanted[] = {row.connections,
                             row.d2c,
                             row.c2d_a_minute / 60,
                             row.method_blocks,
                             row.twin_reads,
                             row.twin_updates,
                             row.registry_a_minute / 60,
                             row.registry_a_minute / 60 / 5};  // queries
    for (std::size_t i = 0; i < kThrottleClassCount; ++i) {
      EXPECT_DOUBLE_EQ(throttle_grant(row.tier, row.units, kAll[i]).per_second, wanted[i])
          << "tier " << static_cast<int>(row.tier) << " units " << row.units << " class " << i;
    }
  }
}

TEST(Throttles, a_burst_is_granted_and_then_as_much_as_time_brings) {
  for (const Row& row : kTable) {
    for (const ThrottleClass of : kAll) {
      Throttles throttles({row.tier, row.units});
      const ThrottleGrant grant = throttle_grant(row.tier, row.units, of);
      EXPECT_EQ(taken_at_once(throttles, of, at(0ms)), static_cast<std::uint64_t>(grant.burst));
      // Over ten seconds of hammering no more than the rate comes through, and not much less.
      std::uint64_t count = 0;
      for (milliseconds time = 1ms; time <= 10s; time += 1ms) count += taken_at_once(throttles, of, at(time));
      EXPECT_NEAR(static_cast<double>(count), 10 * grant.per_second, 1 + grant.per_second / 1000);
    }
  }
}

TEST(Throttles, rest_brings_back_one_burst_and_no_more) {
  Throttles throttles({Tier::s1, 1});
  EXPECT_EQ(taken_at_once(throttles, ThrottleClass::registry, at(0ms)), 100u);
  EXPECT_EQ(taken_at_once(throttles, ThrottleClass::registry, at(24h)), 100u);
}

TEST(Throttles, classes_do_not_touch_each_other) {
  Throttles throttles({Tier::s1, 1});
  taken_at_once(throttles, ThrottleClass::twin_reads, at(0ms));
  for (const ThrottleClass of : kAll) {
    EXPECT_EQ(throttles.take(of, at(0ms)).has_value(), of != ThrottleClass::twin_reads);
  }
}

TEST(Throttles, a_refusal_takes_nothing) {
  Throttles throttles({Tier::s1, 1});
  EXPECT_TRUE(throttles.take(ThrottleClass::methods, at(0ms), 39));
  EXPECT_EQ(throttles.take(ThrottleClass::methods, at(0ms), 2).error().code, Errc::throttled);
  EXPECT_TRUE(throttles.take(ThrottleClass::methods, at(0ms), 1));
}

TEST(Throttles, what_was_used_without_asking_is_paid_by_those_that_follow) {
  Throttles throttles({Tier::s1, 1});
  throttles.charge(ThrottleClass::methods, at(0ms), 80);
  EXPECT_FALSE(throttles.take(ThrottleClass::methods, at(0ms)));
  EXPECT_FALSE(throttles.take(ThrottleClass::methods, at(1s)));
  EXPECT_TRUE(throttles.take(ThrottleClass::methods, at(1025ms)));
}

TEST(Throttles, telemetry_over_the_rate_waits_its_turn_for_twenty_seconds_at_most) {
  Throttles throttles({Tier::s1, 1});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(throttles.reserve(ThrottleClass::d2c_sends, at(0ms)).value(), 0ms);
  EXPECT_EQ(throttles.reserve(ThrottleClass::d2c_sends, at(0ms)).value(), 10ms);
  EXPECT_EQ(throttles.reserve(ThrottleClass::d2c_sends, at(0ms)).value(), 20ms);
  for (int i = 2; i < 2000; ++i) ASSERT_TRUE(throttles.reserve(ThrottleClass::d2c_sends, at(0ms)));
  EXPECT_EQ(throttles.reserve(ThrottleClass::d2c_sends, at(0ms)).error().code, Errc::throttled);
  EXPECT_EQ(throttles.reserve(ThrottleClass::d2c_sends, at(10ms)).value(), 20s);
}

TEST(Throttles, blocks_of_four_kilobytes_are_counted_up_and_nothing_counts_as_one) {
  EXPECT_EQ(Throttles::blocks(0), 1u);
  EXPECT_EQ(Throttles::blocks(4096), 1u);
  EXPECT_EQ(Throttles::blocks(4097), 2u);
  EXPECT_EQ(Throttles::blocks(128 * 1024), 32u);
}

TEST(Throttles, the_daily_quota_of_each_tier) {
  EXPECT_EQ(quota_grant(Tier::f1, 1).messages, 8'000u);
  EXPECT_EQ(quota_grant(Tier::f1, 1).meter_bytes, 512u);
  EXPECT_EQ(quota_grant(Tier::s1, 3).messages, 1'200'000u);
  EXPECT_EQ(quota_grant(Tier::s2, 1).messages, 6'000'000u);
  EXPECT_EQ(quota_grant(Tier::s3, 200).messages, 60'000'000'000u);
  EXPECT_EQ(quota_grant(Tier::s3, 1).meter_bytes, 4096u);
}

TEST(Throttles, messages_are_metered_by_their_size) {
  Throttles throttles({Tier::s1, 1});
  for (const std::size_t bytes : {0, 1, 4096, 4097, 256 * 1024}) throttles.meter(bytes, kMorning);
  EXPECT_EQ(throttles.messages_today(kMorning), 1u + 1 + 1 + 2 + 64);
  Throttles free({Tier::f1, 1});
  for (const std::size_t bytes : {0, 512, 513}) free.meter(bytes, kMorning);
  EXPECT_EQ(free.messages_today(kMorning), 1u + 1 + 2);
}

TEST(Throttles, the_quota_ends_the_day_and_begins_anew_at_midnight) {
  Throttles throttles({Tier::f1, 1});
  throttles.meter(7'999 * 512, kMorning);
  EXPECT_TRUE(throttles.check_quota(kMorning));
  throttles.meter(1, kMorning);
  EXPECT_EQ(throttles.check_quota(kMorning).error().code, Errc::quota_exceeded);
  const WallTime last = kMorning + 14h - 1ms;
  EXPECT_FALSE(throttles.check_quota(last));
  EXPECT_TRUE(throttles.check_quota(last + 1ms));
  EXPECT_EQ(throttles.messages_today(last + 1ms), 0u);
}

TEST(Throttles, what_is_held_up_is_counted_by_class) {
  Throttles throttles({Tier::s1, 1});
  taken_at_once(throttles, ThrottleClass::methods, at(0ms));
  EXPECT_EQ(throttles.held_up(ThrottleClass::methods), 1u);  // the one that was refused
  EXPECT_EQ(throttles.held_up(ThrottleClass::registry), 0u);
  for (int i = 0; i < 101; ++i) ASSERT_TRUE(throttles.reserve(ThrottleClass::d2c_sends, at(0ms)));
  EXPECT_EQ(throttles.held_up(ThrottleClass::d2c_sends), 1u);  // the one that waits
  throttles.meter(400'000ull * 4096, kMorning);
  EXPECT_FALSE(throttles.check_quota(kMorning));
  EXPECT_EQ(throttles.quota_refused(), 1u);
}

}  // namespace
}  // namespace kyanite
