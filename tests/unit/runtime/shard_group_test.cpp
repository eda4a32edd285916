#include "server/runtime/shard_group.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <boost/asio/post.hpp>
#include <future>
#include <stdexcept>
#include <string>

#include "protocol/base/reply.h"

namespace kyanite {
namespace {

TEST(ShardGroup, has_a_shard_per_core_unless_told) {
  EXPECT_EQ(ShardGroup().count(), std::max(1U, std::thread::hardware_concurrency()));
  ShardGroup three(3);
  EXPECT_EQ(three.count(), 3U);
  EXPECT_EQ(three.shard(2).index(), 2U);
}

TEST(ShardGroup, every_shard_runs_on_a_thread_of_its_own_with_its_name) {
  ShardGroup group(2);
  group.start();
  std::vector<std::thread::id> threads;
  for (unsigned i = 0; i < 2; ++i) {
    std::promise<std::string> name;
    std::promise<std::thread::id> thread;
    group.shard(i).post([&] {
      char text[16] = {};
      pthread_getname_np(pthread_self(), text, sizeof text);
      name.set_value(text);
      thread.set_value(std::this_thread::get_id());
    });
    EXPECT_EQ(name.get_future().get(), "kyanite-shard-" + std::to_string(i));
    threads.push_back(thread.get_future().get());
  }
  EXPECT_NE(threads[0], threads[1]);
}

TEST(ShardGroup, what_was_posted_before_stop_still_runs) {
  int ran = 0;
  ShardGroup group(1);
  group.start();
  for (int i = 0; i < 5000; ++i) group.shard(0).post([&] { ++ran; });
  group.stop();
  group.join();
  EXPECT_EQ(ran, 5000);
}

TEST(ShardGroup, tasks_that_come_too_late_are_dropped_with_all_they_cause) {
  const auto held = std::make_shared<int>(0);
  ShardGroup group(2);
  group.start();
  group.stop();
  group.join();
  // Dropping the first task drops a Reply, which posts to the other shard.
  group.shard(0).post([held, reply = Reply<int>(group.shard(1), [held](Result<int>) { ++*held; })] {});
  group.join();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST(ShardGroup, stop_and_join_may_be_repeated_and_come_without_start) {
  ShardGroup never_started(1);
  never_started.stop();
  never_started.join();
  ShardGroup group(1);
  group.start();
  group.stop();
  group.stop();
  group.join();
  group.join();
}

TEST(ShardGroupDeathTest, an_exception_in_a_task_ends_the_process_with_one_json_line) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ShardGroup group(1);
        group.start();
        group.shard(0).post([] { throw std::runtime_error("a \"bad\" day"); });
        group.stop();
        group.join();
      },
      "\\{\"level\":\"fatal\",\"event\":\"shard_failed\",\"shard\":0,\"error\":\"a 'bad' day\"\\}");
}

}  // namespace
}  // namespace kyanite
