#include "server/runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace kyanite {
namespace {

using namespace std::chrono_literals;

const SteadyTime kStart{1000s};

// Runs everything due at `now`.
void run_due(TimerWheel& wheel, SteadyTime now) {
  while (auto task = wheel.pop_due(now)) (*task)();
}

TEST(TimerWheel, a_timer_is_due_not_before_its_delay_and_at_most_one_tick_later) {
  TimerWheel wheel(kStart);
  int ran = 0;
  wheel.add(kStart + 3ms, 25ms, [&] { ++ran; });
  run_due(wheel, kStart + 27ms);
  EXPECT_EQ(ran, 0);
  run_due(wheel, kStart + 38ms);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimerWheel, a_zero_or_negative_delay_waits_for_the_next_tick) {
  TimerWheel wheel(kStart);
  int ran = 0;
  wheel.add(kStart, 0ms, [&] { ++ran; });
  wheel.add(kStart, -50ms, [&] { ++ran; });
  run_due(wheel, kStart);
  EXPECT_EQ(ran, 0);
  run_due(wheel, kStart + 10ms);
  EXPECT_EQ(ran, 2);
}

TEST(TimerWheel, a_cancelled_timer_never_runs_and_its_task_is_destroyed) {
  TimerWheel wheel(kStart);
  const auto held = std::make_shared<int>(0);
  const TimerId timer = wheel.add(kStart, 100ms, [held] { ++*held; });
  EXPECT_EQ(held.use_count(), 2);
  EXPECT_TRUE(wheel.cancel(timer));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(wheel.cancel(timer));
  run_due(wheel, kStart + 1h);
  EXPECT_EQ(*held, 0);
}

TEST(TimerWheel, an_old_id_does_not_cancel_the_timer_that_reuses_its_entry) {
  TimerWheel wheel(kStart);
  int ran = 0;
  const TimerId first = wheel.add(kStart, 10ms, [] {});
  run_due(wheel, kStart + 10ms);
  wheel.add(kStart + 10ms, 10ms, [&] { ++ran; });
  EXPECT_FALSE(wheel.cancel(first));
  EXPECT_FALSE(wheel.cancel(TimerId{}));
  EXPECT_FALSE(wheel.cancel(TimerId{12345}));
  run_due(wheel, kStart + 20ms);
  EXPECT_EQ(ran, 1);
}

TEST(TimerWheel, a_task_may_cancel_one_that_is_due_in_the_same_tick) {
  TimerWheel wheel(kStart);
  bool second_ran = false;
  TimerId second;
  wheel.add(kStart, 10ms, [&] { wheel.cancel(second); });
  second = wheel.add(kStart, 10ms, [&] { second_ran = true; });
  run_due(wheel, kStart + 10ms);
  EXPECT_FALSE(second_ran);
  EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimerWheel, a_task_that_arms_itself_again_does_not_run_twice_in_a_round) {
  TimerWheel wheel(kStart);
  int ran = 0;
  std::function<void()> again = [&] {
    ++ran;
    wheel.add(kStart + 10ms, 0ms, again);
  };
  wheel.add(kStart, 10ms, again);
  run_due(wheel, kStart + 10ms);
  EXPECT_EQ(ran, 1);
  run_due(wheel, kStart + 20ms);
  EXPECT_EQ(ran, 2);
}

TEST(TimerWheel, an_empty_wheel_asks_for_no_wake_up) {
  TimerWheel wheel(kStart);
  EXPECT_FALSE(wheel.next_due().has_value());
  const TimerId timer = wheel.add(kStart, 1h, [] {});
  EXPECT_TRUE(wheel.next_due().has_value());
  wheel.cancel(timer);
  EXPECT_FALSE(wheel.next_due().has_value());
}

TEST(TimerWheel, a_distant_timer_costs_a_handful_of_wake_ups) {
  TimerWheel wheel(kStart);
  bool ran = false;
  wheel.add(kStart, 20 * 24h, [&] { ran = true; });
  int wake_ups = 0;
  SteadyTime now = kStart;
  while (!ran) {
    const auto due = wheel.next_due();
    ASSERT_TRUE(due.has_value());
    ASSERT_GT(*due, now);
    now = *due;
    run_due(wheel, now);
    ASSERT_LT(++wake_ups, 6);
  }
  EXPECT_EQ(now, kStart + 20 * 24h);
}

TEST(TimerWheel, a_timer_beyond_the_top_level_still_waits_its_time) {
  TimerWheel wheel(kStart);
  bool ran = false;
  wheel.add(kStart, 24h * 1000, [&] { ran = true; });
  SteadyTime now = kStart;
  while (!ran) {
    ASSERT_TRUE(wheel.next_due().has_value());
    now = *wheel.next_due();
    run_due(wheel, now);
  }
  EXPECT_EQ(now, kStart + 24h * 1000);
}

TEST(TimerWheel, a_long_sleep_runs_all_that_became_due_in_order) {
  TimerWheel wheel(kStart);
  std::vector<int> log;
  wheel.add(kStart, 30s, [&] { log.push_back(2); });
  wheel.add(kStart, 20ms, [&] { log.push_back(1); });
  wheel.add(kStart, 3h, [&] { log.push_back(3); });
  run_due(wheel, kStart + 24h);
  EXPECT_EQ(log, (std::vector{1, 2, 3}));
}

TEST(TimerWheel, clear_destroys_every_task_unrun) {
  TimerWheel wheel(kStart);
  const auto held = std::make_shared<int>(0);
  for (int i = 0; i < 100; ++i) wheel.add(kStart, milliseconds(i * 977), [held] { ++*held; });
  wheel.clear();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(wheel.size(), 0U);
  EXPECT_FALSE(wheel.next_due().has_value());
}

// Against a model: random delays over all levels, random cancels, woken exactly when next_due() says.
TEST(TimerWheel, agrees_with_a_sorted_map_over_random_use) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    TimerWheel wheel(kStart);
    SteadyTime now = kStart;
    std::map<int, SteadyTime> expected;  // earliest time, by timer number
    std::map<int, TimerId> ids;
    int next_number = 0;
    for (int step = 0; step < 3000; ++step) {
      const auto action = random() % 10;
      if (action < 5) {
        const auto magnitude = random() % 31;
        const milliseconds delay(static_cast<std::int64_t>(random() % (std::uint64_t{1} << magnitude)));
        const int number = next_number++;
        expected[number] = now + delay;
        ids[number] = wheel.add(now, delay, [&, number] {
          const auto found = expected.find(number);
          ASSERT_NE(found, expected.end());
          EXPECT_GE(now, found->second);
          EXPECT_LE(now - found->second, 2 * TimerWheel::kTick);
          expected.erase(found);
          ids.erase(number);
        });
      } else if (action < 7 && !ids.empty()) {
        auto victim = std::next(ids.begin(), static_cast<std::ptrdiff_t>(random() % ids.size()));
        EXPECT_TRUE(wheel.cancel(victim->second));
        expected.erase(victim->first);
        ids.erase(victim);
      } else {
        // Sleep for a while, waking when the wheel asks for it.
        const SteadyTime until = now + milliseconds(static_cast<std::int64_t>(random() % 100'000));
        while (wheel.next_due() && *wheel.next_due() <= until) {
          now = std::max(now, *wheel.next_due());
          run_due(wheel, now);
        }
        now = until;
      }
      ASSERT_EQ(wheel.size(), expected.size());
    }
  }
}

}  // namespace
}  // namespace kyanite
