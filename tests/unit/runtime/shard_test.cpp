#include "server/runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "server/runtime/shard_group.h"

namespace kyanite {
namespace {

using namespace std::chrono_literals;

// Waits for a promise that a shard keeps; false after ten minutes.
bool wait_for(std::future<void> future) { return future.wait_for(600s) == std::future_status::ready; }

class ShardTest : public testing::Test {
 protected:
  ShardTest() { group_.start(); }

  // Runs on the shard and waits for it.
  void on_shard(Task task) {
    std::promise<void> done;
    shard_.post([&] {
      task();
      done.set_value();
    });
    ASSERT_TRUE(wait_for(done.get_future()));
  }

  ShardGroup group_{1};
  Shard& shard_ = group_.shard(0);
};

TEST_F(ShardTest, a_post_runs_later_on_the_shards_thread_even_from_itself) {
  std::vector<std::string> log;
  std::promise<void> done;
  shard_.post([&] {
    shard_.post([&] {
      log.push_back("inner");
      EXPECT_TRUE(shard_.is_current());
      done.set_value();
    });
    log.push_back("outer");
  });
  ASSERT_TRUE(wait_for(done.get_future()));
  EXPECT_EQ(log, (std::vector<std::string>{"outer", "inner"}));
  EXPECT_FALSE(shard_.is_current());
}

TEST_F(ShardTest, posts_of_several_threads_arrive_complete_and_in_each_threads_order) {
  constexpr int kThreads = 4;
  constexpr int kEach = 10000;
  std::vector<int> next(kThreads, 0);
  bool in_order = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        shard_.post([&, t, i] { in_order = in_order && next[static_cast<std::size_t>(t)]++ == i; });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  on_shard([&] { EXPECT_EQ(next, std::vector<int>(kThreads, kEach)); });
  EXPECT_TRUE(in_order);
}

TEST_F(ShardTest, a_flood_of_tasks_lets_asio_handlers_run_in_between) {
  std::promise<void> done;
  bool handler_ran = false;
  int tasks_ran = 0;
  shard_.post([&] {
    boost::asio::post(shard_.io(), [&] {
      handler_ran = true;
      EXPECT_LT(tasks_ran, 100'000);
    });
    for (int i = 0; i < 100'000; ++i) {
      shard_.post([&] {
        if (++tasks_ran == 100'000) done.set_value();
      });
    }
  });
  ASSERT_TRUE(wait_for(done.get_future()));
  EXPECT_TRUE(handler_ran);
}

TEST_F(ShardTest, a_timer_runs_after_its_delay_and_an_earlier_one_armed_later_runs_first) {
  std::vector<int> log;
  SteadyTime armed, both_armed, ran;
  // A thread that is held up between the two is given more.
  for (milliseconds later = 120ms; later < 100s; later *= 10) {
    std::promise<void> done;
    log.clear();
    const auto note = [&](int which) {
      log.push_back(which);
      if (which == 2) ran = shard_.now();
      if (log.size() == 2) done.set_value();
    };
    shard_.post([&] {
      armed = shard_.now();
      shard_.after(later, [&] { note(2); });
      shard_.after(20ms, [&] { note(1); });
      both_armed = shard_.now();
    });
    ASSERT_TRUE(wait_for(done.get_future()));
    EXPECT_GE(ran - armed, later);
    if (both_armed + 20ms < armed + later) break;
  }
  EXPECT_EQ(log, (std::vector{1, 2}));
}

TEST_F(ShardTest, a_cancelled_timer_does_not_run) {
  std::promise<void> done;
  bool cancelled_ran = false;
  shard_.post([&] {
    const TimerId timer = shard_.after(20ms, [&] { cancelled_ran = true; });
    shard_.cancel(timer);
    shard_.after(60ms, [&] { done.set_value(); });
  });
  ASSERT_TRUE(wait_for(done.get_future()));
  EXPECT_FALSE(cancelled_ran);
}

TEST_F(ShardTest, a_hook_asked_for_often_in_a_turn_runs_once_after_it) {
  std::vector<std::string> log;
  std::promise<void> done;
  TurnTask hook([&] {
    log.push_back("hook");
    done.set_value();
  });
  std::vector<Task> tasks;
  for (int i = 0; i < 3; ++i) {
    tasks.emplace_back([&] {
      shard_.at_turn_end(hook);
      shard_.at_turn_end(hook);
      log.push_back("task");
    });
  }
  shard_.post_all(std::move(tasks));
  ASSERT_TRUE(wait_for(done.get_future()));
  EXPECT_EQ(log, (std::vector<std::string>{"task", "task", "task", "hook"}));
}

TEST_F(ShardTest, a_hook_asked_for_outside_a_turn_runs_too) {
  std::promise<void> done;
  TurnTask hook([&] { done.set_value(); });
  boost::asio::post(shard_.io(), [&] { shard_.at_turn_end(hook); });
  EXPECT_TRUE(wait_for(done.get_future()));
}

TEST_F(ShardTest, a_destroyed_hook_is_forgotten) {
  bool ran = false;
  on_shard([&] {
    TurnTask hook([&] { ran = true; });
    shard_.at_turn_end(hook);
  });
  on_shard([] {});
  EXPECT_FALSE(ran);
}

TEST_F(ShardTest, hooks_that_ask_again_for_ever_do_not_starve_the_shard) {
  std::atomic<int> rounds{0};
  TurnTask* self = nullptr;
  TurnTask hook([&] {
    if (++rounds < 1'000) shard_.at_turn_end(*self);
  });
  self = &hook;
  std::promise<void> done;
  shard_.post([&] {
    shard_.at_turn_end(hook);
    shard_.post([&] {
      EXPECT_LT(rounds, 1'000);
      done.set_value();
    });
  });
  ASSERT_TRUE(wait_for(done.get_future()));
  while (rounds < 1'000) on_shard([] {});
  EXPECT_EQ(rounds, 1'000);
}

TEST(Shard, timers_and_tasks_left_at_the_end_are_destroyed_with_it) {
  const auto held = std::make_shared<int>(0);
  {
    Shard shard(0);
    shard.after(1h, [held] { ++*held; });
    shard.post([held] { ++*held; });
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST_F(ShardTest, a_loop_that_is_held_up_is_seen_without_anybody_asking) {
  const auto began = std::chrono::steady_clock::now();
  on_shard([&] { shard_.watch_lag(); });
  on_shard([] { std::this_thread::sleep_for(1'300ms); });  // the probe is due meanwhile
  const auto longest = [&] {
    SteadyTime::duration lag{};
    on_shard([&] { lag = shard_.lag().longest(shard_.now()); });
    return lag;
  };
  const auto until = began + 60s;
  while (longest() < 200ms && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
  const auto lag = longest();
  EXPECT_GE(lag, 200ms);
  EXPECT_LT(lag, std::chrono::steady_clock::now() - began);
}

}  // namespace
}  // namespace kyanite
