#include "server/hub/file_notification_queue.h"

#include <gmock/gmock.h>

#include <map>
#include <optional>

#include "tests/support/sim_executor.h"

namespace kyanite::test {
namespace {

class FileNotificationQueueTest : public testing::Test {
 protected:
  ~FileNotificationQueueTest() override { loop.run(); }

  void add(const std::string& id) {
    FileNotification notification;
    notification.id = id;
    stored[id] = notification;
    queue.on_added();
    loop.run();
  }
  // Empty while it waits.
  struct Waiting {
    std::uint64_t name = 0;
    std::optional<Result<LockedNotification>> answer;
    std::string id() const { return answer && *answer ? (*answer)->notification.id : "-"; }
    std::string lock() const { return answer && *answer ? (*answer)->lock_token : "-"; }
  };
  std::shared_ptr<Waiting> wait() {
    auto waiting = std::make_shared<Waiting>();
    waiting->name = queue.new_waiter();
    queue.await(waiting->name, Reply<LockedNotification>(shard0, [waiting](Result<LockedNotification> r) {
                  waiting->answer = std::move(r);
                }));
    loop.run();
    return waiting;
  }
  Result<void> settle(const std::string& lock, bool complete) {
    Result<void> answer = Error(Errc::timed_out);
    Reply<void> reply(shard0, [&answer](const Result<void>& r) { answer = r; });
    complete ? queue.complete(lock, std::move(reply)) : queue.abandon(lock, std::move(reply));
    loop.run();
    return answer;
  }

  SimLoop loop;
  SimExecutor shard0{loop};
  std::map<std::string, FileNotification> stored;
  FileNotificationQueue queue{shard0,
                              {[this](std::size_t limit, Reply<std::vector<FileNotification>> reply) {
                                 std::vector<FileNotification> oldest;
                                 for (const auto& [id, notification] : stored) {
                                   if (oldest.size() < limit) oldest.push_back(notification);
                                 }
                                 reply(std::move(oldest));
                               },
                               [this](const std::string& id, Reply<void> reply) {
                                 reply(stored.erase(id) == 1 ? Result<void>() : Error(Errc::not_found));
                               }}};
};

TEST_F(FileNotificationQueueTest, who_waits_is_told_and_two_compete) {
  const auto first = wait();
  const auto second = wait();
  EXPECT_EQ(first->id(), "-");
  add("a");
  EXPECT_EQ(first->id(), "a");
  EXPECT_EQ(second->id(), "-");
  add("b");
  EXPECT_EQ(second->id(), "b");
}

TEST_F(FileNotificationQueueTest, completing_removes_it_and_abandoning_gives_it_out_again) {
  add("a");
  auto waiting = wait();
  ASSERT_TRUE(settle(waiting->lock(), false));
  EXPECT_EQ(settle(waiting->lock(), true).error().code, Errc::lock_lost);
  waiting = wait();
  EXPECT_EQ(waiting->id(), "a");
  ASSERT_TRUE(settle(waiting->lock(), true));
  EXPECT_TRUE(stored.empty());
  EXPECT_EQ(wait()->id(), "-");
}

TEST_F(FileNotificationQueueTest, a_lock_ends_by_its_time) {
  add("a");
  const auto first = wait();
  const auto second = wait();
  loop.advance(seconds{59});
  EXPECT_EQ(second->id(), "-");
  loop.advance(seconds{4});
  EXPECT_EQ(second->id(), "a");
  EXPECT_EQ(settle(first->lock(), true).error().code, Errc::lock_lost);
}

TEST_F(FileNotificationQueueTest, one_that_nobody_completes_is_given_up) {
  add("a");
  for (int delivery = 0; delivery < 10; ++delivery) {
    const auto waiting = wait();
    ASSERT_EQ(waiting->id(), "a") << delivery;
    ASSERT_TRUE(settle(waiting->lock(), false));
  }
  EXPECT_TRUE(stored.empty());
  EXPECT_EQ(wait()->id(), "-");
}

TEST_F(FileNotificationQueueTest, one_that_was_not_sent_counts_as_no_delivery) {
  add("a");
  for (int i = 0; i < 20; ++i) {
    const auto waiting = wait();
    ASSERT_EQ(waiting->id(), "a") << i;
    queue.return_unsent(waiting->lock());
    loop.run();
  }
  EXPECT_EQ(stored.size(), 1u);
}

TEST_F(FileNotificationQueueTest, who_does_not_wait_is_answered_at_once) {
  const auto receive = [this] {
    std::optional<Result<LockedNotification>> answer;
    queue.receive(Reply<LockedNotification>(
        shard0, [&](Result<LockedNotification> locked) { answer = std::move(locked); }));
    loop.run();
    return answer.value_or(Error(Errc::timed_out));
  };
  EXPECT_EQ(receive().error().code, Errc::not_found);
  add("a");
  const auto found = receive();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->notification.id, "a");
  EXPECT_EQ(receive().error().code, Errc::not_found) << "it is locked";
  for (std::size_t i = 1; i < FileNotificationQueue::kLocksMax; ++i) {
    add("b" + std::to_string(i));
    ASSERT_TRUE(receive());
  }
  add("c");
  EXPECT_EQ(receive().error().code, Errc::not_found) << "too many are locked";
}

TEST_F(FileNotificationQueueTest, of_one_that_was_erased_no_count_is_kept) {
  for (int round = 0; round < 2; ++round) {
    add("a");
    for (int delivery = 0; delivery < 9; ++delivery) {
      const auto waiting = wait();
      ASSERT_EQ(waiting->id(), "a") << round << delivery;
      ASSERT_TRUE(settle(waiting->lock(), false));
    }
    EXPECT_EQ(stored.size(), 1u);
    stored.clear();
    const auto waiting = wait();
    EXPECT_EQ(waiting->id(), "-");
    queue.cancel(waiting->name);
    loop.run();
  }
}

TEST_F(FileNotificationQueueTest, one_that_was_erased_meanwhile_counts_as_completed) {
  add("a");
  const auto waiting = wait();
  stored.clear();
  EXPECT_TRUE(settle(waiting->lock(), true));
}

TEST_F(FileNotificationQueueTest, who_cancels_waits_no_more) {
  const auto waiting = wait();
  queue.cancel(waiting->name);
  loop.run();
  ASSERT_TRUE(waiting->answer);
  EXPECT_FALSE(*waiting->answer);
  add("a");
  EXPECT_EQ(wait()->id(), "a");
}

}  // namespace
}  // namespace kyanite::test
