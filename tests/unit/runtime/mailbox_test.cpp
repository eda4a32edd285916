#include "server/runtime/mailbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace kyanite {
namespace {

Task append_to(std::vector<int>& log, int value) {
  return [&log, value] { log.push_back(value); };
}

void run(std::vector<Task>& batch) {
  for (Task& task : batch) task();
  batch.clear();
}

TEST(Mailbox, wakes_the_consumer_only_when_it_sleeps) {
  Mailbox mailbox;
  EXPECT_TRUE(mailbox.push([] {}));
  EXPECT_FALSE(mailbox.push([] {}));
  std::vector<Task> batch;
  ASSERT_TRUE(mailbox.take(batch));
  EXPECT_EQ(batch.size(), 2U);
  EXPECT_FALSE(mailbox.push([] {})) << "the consumer has not looked again yet";
  batch.clear();
  ASSERT_TRUE(mailbox.take(batch));
  batch.clear();
  EXPECT_FALSE(mailbox.take(batch));
  EXPECT_TRUE(mailbox.push([] {}));
}

TEST(Mailbox, keeps_the_order_of_single_and_grouped_posts) {
  Mailbox mailbox;
  std::vector<int> log;
  static_cast<void>(mailbox.push(append_to(log, 1)));
  std::vector<Task> group;
  group.push_back(append_to(log, 2));
  group.push_back(append_to(log, 3));
  static_cast<void>(mailbox.push_all(std::move(group)));
  static_cast<void>(mailbox.push(append_to(log, 4)));
  EXPECT_EQ(mailbox.depth(), 4U);
  std::vector<Task> batch;
  ASSERT_TRUE(mailbox.take(batch));
  run(batch);
  EXPECT_EQ(log, (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(mailbox.depth(), 0U);
}

TEST(Mailbox, an_empty_group_wakes_nobody) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.push_all({}));
  std::vector<Task> batch;
  EXPECT_FALSE(mailbox.take(batch));
}

TEST(Mailbox, several_producers_lose_nothing_and_each_keeps_its_order) {
  constexpr int kProducers = 4;
  constexpr int kEach = 20000;
  Mailbox mailbox;
  std::vector<std::vector<int>> seen(kProducers);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        static_cast<void>(mailbox.push(append_to(seen[static_cast<std::size_t>(p)], i)));
      }
    });
  }
  std::vector<Task> batch;
  std::size_t total = 0;
  while (total < std::size_t{kProducers} * kEach) {
    if (!mailbox.take(batch)) {
      std::this_thread::yield();
      continue;
    }
    total += batch.size();
    run(batch);
  }
  for (std::thread& producer : producers) producer.join();
  for (const auto& values : seen) {
    ASSERT_EQ(values.size(), std::size_t{kEach});
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
  }
}

}  // namespace
}  // namespace kyanite
