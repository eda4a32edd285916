#include "server/runtime/lag_meter.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

TEST(LagMeter, the_longest_counts_for_about_a_minute) {
  const SteadyTime start{};
  LagMeter meter(start);
  EXPECT_EQ(meter.longest(start), SteadyTime::duration::zero());
  meter.observe(start + seconds(1), milliseconds(20));
  meter.observe(start + seconds(2), milliseconds(700));
  meter.observe(start + seconds(3), milliseconds(1));
  EXPECT_EQ(meter.longest(start + seconds(3)), milliseconds(700));
  meter.observe(start + seconds(40), milliseconds(50));
  EXPECT_EQ(meter.longest(start + seconds(62)), milliseconds(700)) << "whoever asks once a minute sees it";
  EXPECT_EQ(meter.longest(start + seconds(91)), milliseconds(50));
  EXPECT_EQ(meter.longest(start + seconds(121)), SteadyTime::duration::zero());
}

TEST(LagMeter, a_long_silence_forgets_everything_at_once) {
  const SteadyTime start{};
  LagMeter meter(start);
  meter.observe(start, milliseconds(5));
  const SteadyTime later = start + std::chrono::hours(1'000);
  EXPECT_EQ(meter.longest(later), SteadyTime::duration::zero());
  meter.observe(later + seconds(1), milliseconds(3));
  EXPECT_EQ(meter.longest(later + seconds(2)), milliseconds(3));
}

}  // namespace
}  // namespace kyanite
