#include "server/hub/clock_control.h"

#include <gtest/gtest.h>

#include "tests/support/sim_hub.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;

class ClockControlTest : public testing::Test {
 protected:
  SimHub hub;
  const WallTime real = hub.loop.wall_now();

  Result<ClockState> shift_to(milliseconds shift) {
    return hub.ask<ClockState>([&](Reply<ClockState> r) { hub.clock().shift_to(shift, std::move(r)); });
  }
  Result<ClockState> advance(milliseconds by) {
    return hub.ask<ClockState>([&](Reply<ClockState> r) { hub.clock().advance(by, std::move(r)); });
  }
  Result<ClockState> set_now(WallTime now) {
    return hub.ask<ClockState>([&](Reply<ClockState> r) { hub.clock().set_now(now, std::move(r)); });
  }
};

TEST_F(ClockControlTest, a_shift_is_against_the_real_clock_and_an_advance_from_where_it_stands) {
  EXPECT_EQ(shift_to(1h)->now, real + 1h);
  EXPECT_EQ(shift_to(2h)->shift, 2h);
  EXPECT_EQ(advance(30min)->now, real + 2h + 30min);
  EXPECT_EQ(advance(-3h)->shift, -30min);
  EXPECT_EQ(set_now(real + 5s)->shift, 5s);
  EXPECT_EQ(hub.loop.wall_now(), real + 5s);
  EXPECT_EQ(shift_to(0ms)->now, real);
}

TEST_F(ClockControlTest, the_steady_clock_does_not_jump) {
  const SteadyTime before = hub.loop.now();
  shift_to(24h);
  EXPECT_EQ(hub.loop.now(), before);
}

TEST_F(ClockControlTest, everybody_was_told_when_the_change_is_answered) {
  int told = 0;
  SimExecutor elsewhere(hub.loop);
  hub.clock().on_shift(elsewhere, [&](milliseconds shift) {
    EXPECT_EQ(shift, 1h);
    EXPECT_EQ(elsewhere.wall_now(), real + 1h);
    ++told;
  });
  hub.clock().shift_to(1h, Reply<ClockState>(hub.executor(1), [&](Result<ClockState> state) {
                         EXPECT_TRUE(state.has_value());
                         EXPECT_EQ(told, 1);
                         ++told;
                       }));
  hub.loop.run();
  EXPECT_EQ(told, 2);
}

TEST_F(ClockControlTest, times_that_cannot_be_written_are_refused_and_change_nothing) {
  shift_to(1h);
  for (const milliseconds shift : {milliseconds(-27 * 365 * 24h), milliseconds(7000 * 366 * 24h)}) {
    EXPECT_EQ(shift_to(shift).error().code, Errc::argument_invalid);
  }
  EXPECT_EQ(hub.loop.wall_now(), real + 1h);
}

}  // namespace
}  // namespace kyanite::test
