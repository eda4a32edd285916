#include "storage/rocksdb/retention_clock.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace kyanite {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class RetentionClockTest : public testing::Test {
 protected:
  RetentionClock make(WallTime newest = {}) {
    return RetentionClock({.wall =
                               [this] {
                                 const WallTime read = wall_;
                                 pass(std::exchange(pause_, {}));
                                 return read;
                               },
                           .steady = [this] { return steady_; },
                           .on_step = [this](milliseconds ahead) { steps_.push_back(ahead); }},
                          newest);
  }
  void pass(milliseconds time) {
    wall_ += time;
    steady_ += time;
  }

  WallTime wall_{hours(24 * 20000)};
  SteadyTime steady_{};
  std::vector<milliseconds> steps_;
  milliseconds pause_{};  // after the next reading of the wall clock, once
};

TEST_F(RetentionClockTest, follows_a_wall_clock_that_runs_with_the_steady_one) {
  RetentionClock clock = make();
  pass(hours(30));
  EXPECT_EQ(clock.now(), wall_);
  wall_ += minutes(4);  // slewed, or set a little
  EXPECT_EQ(clock.now(), wall_);
  EXPECT_TRUE(steps_.empty());
}

TEST_F(RetentionClockTest, a_process_stopped_between_its_two_clocks_sees_no_step) {
  pause_ = hours(2);
  RetentionClock clock = make();
  EXPECT_EQ(clock.now(), wall_);
  pause_ = hours(3);
  EXPECT_EQ(clock.now(), wall_);
  pass(minutes(1));
  EXPECT_EQ(clock.now(), wall_);
  EXPECT_TRUE(steps_.empty());
}

TEST_F(RetentionClockTest, a_step_forward_is_told_once_and_believed_after_an_hour) {
  RetentionClock clock = make();
  const WallTime before = wall_;
  wall_ += hours(1000);
  EXPECT_EQ(clock.now(), before);
  for (int i = 0; i < 59; ++i) {
    pass(minutes(1));
    EXPECT_EQ(clock.now(), before + minutes(i + 1));
  }
  EXPECT_EQ(steps_, std::vector<milliseconds>{hours(1000)});
  pass(minutes(1));
  EXPECT_EQ(clock.now(), wall_);
  pass(minutes(1));
  EXPECT_EQ(clock.now(), wall_);
  EXPECT_EQ(steps_.size(), 1u);
}

TEST_F(RetentionClockTest, a_step_taken_back_within_the_hour_leaves_no_trace) {
  RetentionClock clock = make();
  wall_ += hours(1000);
  clock.now();
  pass(minutes(30));
  wall_ -= hours(1000);
  EXPECT_EQ(clock.now(), wall_);
  wall_ += hours(1000);
  pass(minutes(40));
  EXPECT_LT(clock.now(), wall_);
  EXPECT_EQ(steps_.size(), 2u);
}

TEST_F(RetentionClockTest, a_second_step_has_an_hour_of_its_own) {
  RetentionClock clock = make();
  wall_ += hours(2);
  clock.now();
  pass(minutes(59));
  wall_ += hours(1000);
  clock.now();
  pass(minutes(2));
  EXPECT_LT(clock.now(), wall_ - hours(1000));
  pass(minutes(58));
  EXPECT_EQ(clock.now(), wall_);
}

TEST_F(RetentionClockTest, a_step_back_is_followed_at_once) {
  RetentionClock clock = make();
  wall_ -= hours(10);
  EXPECT_EQ(clock.now(), wall_);
}

TEST_F(RetentionClockTest, a_start_long_after_the_newest_record_waits_the_hour_without_a_word) {
  const WallTime newest = wall_ - hours(100);
  RetentionClock clock = make(newest);
  EXPECT_EQ(clock.now(), newest);
  pass(minutes(59));
  EXPECT_EQ(clock.now(), newest + minutes(59));
  pass(minutes(1));
  EXPECT_EQ(clock.now(), wall_);
  EXPECT_TRUE(steps_.empty());
}

}  // namespace
}  // namespace kyanite
