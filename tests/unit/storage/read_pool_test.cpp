#include "storage/rocksdb/read_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include "tests/support/manual_executor.h"

namespace kyanite {
namespace {

TEST(ReadPool, answers_what_the_work_returns) {
  ManualExecutor home;
  ReadPool pool({}, nullptr);
  const auto answer =
      await<int>(home, [&](auto reply) { pool.run<int>(std::move(reply), [] { return 7; }); });
  EXPECT_EQ(answer.value(), 7);
}

TEST(ReadPool, a_read_that_throws_fails_alone) {
  ManualExecutor home;
  ReadPool pool({.threads = 1}, nullptr);
  const auto thrown = await<int>(home, [&](auto reply) {
    pool.run<int>(std::move(reply), []() -> Result<int> { throw std::runtime_error("no memory"); });
  });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code, Errc::storage_failed);
  EXPECT_EQ(thrown.error().detail, "a read: no memory");
  EXPECT_TRUE(await<int>(home, [&](auto reply) { pool.run<int>(std::move(reply), [] { return 1; }); }));
}

TEST(ReadPool, refuses_as_busy_when_its_queue_is_full_and_as_shutting_down_when_closed) {
  ManualExecutor home;
  ReadPool pool({.threads = 1, .capacity = 2}, nullptr);
  std::promise<void> started, release;
  std::vector<Result<int>> answers;
  const auto record = [&] {
    return Reply<int>(home, [&](Result<int> result) { answers.push_back(result); });
  };
  pool.run<int>(record(), [&] {
    started.set_value();
    release.get_future().wait();
    return 0;
  });
  started.get_future().wait();
  for (int i = 1; i <= 3; ++i) pool.run<int>(record(), [i] { return i; });
  home.run_ready();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, Errc::busy);
  release.set_value();
  pool.close();  // answers what waits
  home.run_ready();
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[3].value(), 2);
  pool.run<int>(record(), [] { return 9; });
  home.run_ready();
  EXPECT_EQ(answers[4].error().code, Errc::shutting_down);
}

TEST(ReadPool, housekeeping_that_throws_is_told_once_as_fatal_and_reads_go_on) {
  ManualExecutor home;
  std::promise<Error> told;
  int ticks = 0;
  ReadPool pool(
      {.threads = 1, .housekeeping_interval = milliseconds(1)},
      [&] {
        ++ticks;
        throw std::runtime_error("no memory");
      },
      [&](const Error& error) { told.set_value(error); });  // a second call would throw
  auto error = told.get_future();
  ASSERT_EQ(error.wait_for(seconds(120)), std::future_status::ready);
  EXPECT_EQ(error.get().detail, "housekeeping of the store (free space, retention): no memory");
  EXPECT_TRUE(await<int>(home, [&](auto reply) { pool.run<int>(std::move(reply), [] { return 1; }); }));
  pool.close();
  EXPECT_EQ(ticks, 1);
}

TEST(ReadPool, housekeeping_runs_while_reads_are_idle_and_while_they_are_not) {
  ManualExecutor home;
  std::promise<void> third;
  int ticks = 0;
  ReadPool pool({.threads = 1, .housekeeping_interval = milliseconds(1)}, [&] {
    if (++ticks == 3) third.set_value();
  });
  auto reached = third.get_future();
  while (reached.wait_for(milliseconds(0)) != std::future_status::ready) {
    ASSERT_TRUE(await<int>(home, [&](auto reply) { pool.run<int>(std::move(reply), [] { return 1; }); }));
  }
  pool.close();
  EXPECT_GE(ticks, 3);
}

// Of the tests' own executor: its wait is not for tasks alone.
TEST(ManualExecutor, a_condition_that_another_thread_makes_true_is_seen_without_a_task) {
  ManualExecutor home;
  std::atomic<bool> looked = false;
  std::atomic<bool> happened = false;
  std::thread other([&] {
    while (!looked) std::this_thread::yield();
    happened = true;
  });
  EXPECT_TRUE(home.run_until([&] {
    const bool seen = happened;
    looked = true;
    return seen;
  }));
  other.join();
}

}  // namespace
}  // namespace kyanite
