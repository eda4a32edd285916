#include "server/hub/feedback_queue.h"

#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FeedbackQueueTest : public testing::Test {
 protected:
  ~FeedbackQueueTest() override { loop.run(); }

  template <class T>
  Result<T> ask(const std::function<void(Reply<T>)>& question) {
    std::optional<Result<T>> answer;
    question(Reply<T>(shard0, [&](Result<T> r) { answer = std::move(r); }));
    loop.run();
    return answer ? std::move(*answer) : Result<T>(Error(Errc::timed_out, "no answer"));
  }
  // Feedback appears as the outcome of a message.
  void add(const std::string& id) {
    C2dOutcome outcome;
    outcome.device = "d1";
    outcome.feedback.push_back({0, id, loop.wall_now(), FeedbackStatus::success, "d1", "1"});
    ASSERT_TRUE(ask<void>([&](Reply<void> r) { stores.c2d().settle(outcome, std::move(r)); }));
  }
  Result<std::optional<FeedbackBatch>> receive() {
    return ask<std::optional<FeedbackBatch>>(
        [&](Reply<std::optional<FeedbackBatch>> r) { queue.receive(std::move(r)); });
  }
  Result<void> complete(const std::string& lock) {
    return ask<void>([&](Reply<void> r) { queue.complete(lock, std::move(r)); });
  }
  Result<void> abandon(const std::string& lock) {
    return ask<void>([&](Reply<void> r) { queue.abandon(lock, std::move(r)); });
  }
  // The ids of a batch, none when there is none.
  std::vector<std::string> take(std::string* lock = nullptr) {
    const auto batch = receive();
    std::vector<std::string> ids;
    if (!batch || !*batch) return ids;
    for (const FeedbackRecord& record : (*batch)->records) ids.push_back(record.original_message_id);
    if (lock) *lock = (*batch)->lock_token;
    return ids;
  }

  SimLoop loop;
  SimExecutor shard0{loop};
  SimExecutor commit_thread{loop};
  MemoryStores stores{commit_thread};
  Settings settings;
  FeedbackQueue queue{shard0, stores.feedback(), settings.c2d};
  std::string token;
};

TEST_F(FeedbackQueueTest, R99_a_completed_batch_is_gone) {
  EXPECT_THAT(take(), IsEmpty());
  add("a");
  add("b");
  EXPECT_THAT(take(&token), ElementsAre("a", "b"));
  EXPECT_EQ(token.size(), 36u);
  EXPECT_TRUE(complete(token));
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_THAT(stores.committed().feedback, IsEmpty());
}

TEST_F(FeedbackQueueTest, receivers_compete) {
  add("a");
  EXPECT_THAT(take(), ElementsAre("a"));
  EXPECT_THAT(take(), IsEmpty());
  add("b");
  EXPECT_THAT(take(), ElementsAre("b"));
}

TEST_F(FeedbackQueueTest, two_receivers_at_once_share_nothing) {
  for (int i = 0; i < 100; ++i) add(std::to_string(i));
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 3; ++i) {
    queue.receive(
        Reply<std::optional<FeedbackBatch>>(shard0, [&](const Result<std::optional<FeedbackBatch>>& r) {
          sizes.push_back(*r ? (*r)->records.size() : 0);
        }));
  }
  loop.run();
  EXPECT_THAT(sizes, ElementsAre(limits::kFeedbackBatchMax, 100 - limits::kFeedbackBatchMax, 0));
}

TEST_F(FeedbackQueueTest, a_batch_has_64_records_at_most) {
  for (int i = 0; i < 70; ++i) add(std::to_string(i));
  EXPECT_EQ(take().size(), 64u);
  EXPECT_EQ(take().size(), 6u);
}

TEST_F(FeedbackQueueTest, an_abandoned_batch_comes_again_first) {
  add("a");
  take(&token);
  add("b");
  EXPECT_TRUE(abandon(token));
  EXPECT_THAT(take(), ElementsAre("a"));
  EXPECT_THAT(take(), ElementsAre("b"));
}

TEST_F(FeedbackQueueTest, a_lost_lock_is_refused) {
  add("a");
  take(&token);
  EXPECT_EQ(complete("00000000-0000-0000-0000-000000000000").error().code, Errc::lock_lost);
  EXPECT_EQ(abandon("").error().code, Errc::lock_lost);
  loop.advance(seconds{60});
  EXPECT_EQ(complete(token).error().code, Errc::lock_lost);
  EXPECT_THAT(take(), ElementsAre("a"));
}

TEST_F(FeedbackQueueTest, a_completed_lock_cannot_be_used_again) {
  add("a");
  take(&token);
  EXPECT_TRUE(complete(token));
  EXPECT_EQ(complete(token).error().code, Errc::lock_lost);
  EXPECT_EQ(abandon(token).error().code, Errc::lock_lost);
}

TEST_F(FeedbackQueueTest, a_store_that_fails_leaves_the_batch_locked) {
  add("a");
  take(&token);
  stores.faults.fail_commit = stores.commits() + 1;
  EXPECT_EQ(complete(token).error().code, Errc::storage_failed);
  stores.faults.fail_commit.reset();
  stores.crash();
  EXPECT_TRUE(complete(token));
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(FeedbackQueueTest, feedback_given_out_too_often_is_dropped) {
  settings.c2d.feedback_max_delivery_count = 2;
  add("a");
  take(&token);
  EXPECT_TRUE(abandon(token));
  EXPECT_THAT(take(&token), ElementsAre("a"));
  EXPECT_TRUE(abandon(token));
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_THAT(stores.committed().feedback, IsEmpty());
}

TEST_F(FeedbackQueueTest, old_feedback_is_not_given_out) {
  add("old");
  loop.step_wall_clock(seconds{3600});
  add("new");
  EXPECT_THAT(take(), ElementsAre("new"));
  EXPECT_EQ(stores.committed().feedback.size(), 1u);
}

TEST_F(FeedbackQueueTest, a_sweep_removes_old_feedback_that_nobody_wants) {
  add("old");
  loop.step_wall_clock(seconds{3600});
  queue.sweep();
  loop.run();
  EXPECT_THAT(stores.committed().feedback, IsEmpty());
}

TEST_F(FeedbackQueueTest, one_sweep_removes_all_that_is_old_however_much_there_is) {
  C2dOutcome outcome;
  outcome.device = "d1";
  outcome.feedback.assign(3 * limits::kFeedbackSweepMax + 1,
                          {0, "old", loop.wall_now(), FeedbackStatus::success, "d1", "1"});
  ASSERT_TRUE(ask<void>([&](Reply<void> r) { stores.c2d().settle(outcome, std::move(r)); }));
  loop.step_wall_clock(settings.c2d.feedback_ttl - seconds{1});
  add("new");
  loop.step_wall_clock(seconds{1});
  queue.sweep();
  loop.run();
  EXPECT_EQ(stores.committed().feedback.size(), 1U);
  EXPECT_THAT(take(), ElementsAre("new"));
}

TEST_F(FeedbackQueueTest, a_new_start_gives_out_what_was_not_completed) {
  add("a");
  take(&token);
  FeedbackQueue next(shard0, stores.feedback(), settings.c2d);
  std::optional<FeedbackBatch> batch;
  next.receive(Reply<std::optional<FeedbackBatch>>(
      shard0, [&](Result<std::optional<FeedbackBatch>> r) { batch = std::move(*r); }));
  loop.run();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->records.front().original_message_id, "a");
}

TEST_F(FeedbackQueueTest, only_so_many_batches_are_locked) {
  for (std::size_t i = 0; i < limits::kFeedbackLocksMax; ++i) {
    add(std::to_string(i));
    ASSERT_EQ(take().size(), 1u);
  }
  EXPECT_EQ(receive().error().code, Errc::busy);
  loop.advance(seconds{60});
  EXPECT_TRUE(receive());
}

// The count of deliveries is in memory: a record that no receiver completes ends by its time to live.
TEST_F(FeedbackQueueTest, restarts_keep_no_record_beyond_its_time_to_live) {
  add("poison");
  const WallTime born = loop.wall_now();
  std::size_t deliveries = 0;
  while (loop.wall_now() - born < settings.c2d.feedback_ttl) {
    FeedbackQueue restarted{shard0, stores.feedback(), settings.c2d};
    const auto batch = ask<std::optional<FeedbackBatch>>(
        [&](Reply<std::optional<FeedbackBatch>> r) { restarted.receive(std::move(r)); });
    ASSERT_TRUE(batch && *batch);
    ++deliveries;
    loop.advance(seconds{120});
    loop.run();
  }
  EXPECT_GT(deliveries, settings.c2d.feedback_max_delivery_count);
  FeedbackQueue last{shard0, stores.feedback(), settings.c2d};
  last.sweep();
  loop.run();
  EXPECT_THAT(stores.committed().feedback, IsEmpty());
}

// Receivers that wait (spec amqp.md 5.2).

class WaitingReceiverTest : public FeedbackQueueTest {
 protected:
  struct Waiting {
    std::uint64_t name = 0;
    std::optional<Result<FeedbackBatch>> answer;
    std::size_t records() const { return answer && *answer ? (*answer)->records.size() : 0; }
  };
  std::shared_ptr<Waiting> wait() {
    auto waiting = std::make_shared<Waiting>();
    waiting->name = queue.new_waiter();
    queue.await(waiting->name, Reply<FeedbackBatch>(shard0, [waiting](Result<FeedbackBatch> r) {
                  waiting->answer = std::move(r);
                }));
    loop.run();
    return waiting;
  }
  void add_and_tell(const std::string& id) {
    add(id);
    queue.on_written();
    loop.run();
  }
};

TEST_F(WaitingReceiverTest, the_first_feedback_comes_at_once_and_the_next_in_a_batch) {
  const auto first = wait();
  add_and_tell("a");
  EXPECT_EQ(first->records(), 1u);
  const auto second = wait();
  add_and_tell("b");
  loop.advance(seconds{10});
  add_and_tell("c");
  EXPECT_EQ(second->records(), 0u);
  loop.advance(seconds{5});
  EXPECT_EQ(second->records(), 2u);
}

TEST_F(WaitingReceiverTest, a_full_batch_does_not_wait) {
  const auto first = wait();
  add_and_tell("a");
  ASSERT_EQ(first->records(), 1u);
  const auto second = wait();
  for (std::size_t i = 0; i < limits::kFeedbackBatchMax - 1; ++i) add_and_tell("b");
  EXPECT_EQ(second->records(), 0u);
  add_and_tell("b");
  EXPECT_EQ(second->records(), limits::kFeedbackBatchMax);
}

TEST_F(WaitingReceiverTest, feedback_that_was_there_before_is_given_to_who_comes) {
  add("a");
  EXPECT_EQ(wait()->records(), 1u);
}

TEST_F(WaitingReceiverTest, A30_two_compete_and_what_one_gives_back_comes_at_once) {
  const auto first = wait();
  const auto second = wait();
  add_and_tell("a");
  ASSERT_EQ(first->records(), 1u);
  EXPECT_EQ(second->records(), 0u);
  ASSERT_TRUE(abandon((*first->answer)->lock_token));
  EXPECT_EQ(second->records(), 1u);
  ASSERT_TRUE(complete((*second->answer)->lock_token));
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(WaitingReceiverTest, feedback_whose_lock_ended_comes_again_with_a_sweep) {
  const auto first = wait();
  add_and_tell("a");
  ASSERT_EQ(first->records(), 1u);
  const auto second = wait();
  loop.advance(seconds{61});
  queue.sweep();
  loop.run();
  EXPECT_EQ(second->records(), 1u);
}

TEST_F(WaitingReceiverTest, a_batch_that_was_not_sent_counts_as_no_delivery) {
  add("a");
  for (std::uint32_t i = 0; i < 2 * settings.c2d.feedback_max_delivery_count; ++i) {
    const auto one = wait();
    ASSERT_EQ(one->records(), 1u) << i;
    queue.return_unsent((*one->answer)->lock_token);
    loop.run();
  }
  EXPECT_THAT(take(), ElementsAre("a"));
}

TEST_F(WaitingReceiverTest, who_waits_for_others_to_settle_is_given_what_is_there) {
  std::string lock;
  for (std::size_t i = 0; i < limits::kFeedbackLocksMax; ++i) {
    add("locked");
    ASSERT_THAT(take(&lock), ElementsAre("locked"));
  }
  const auto waiting = wait();
  add_and_tell("a");
  EXPECT_EQ(waiting->records(), 0u);
  ASSERT_TRUE(complete(lock));
  EXPECT_EQ(waiting->records(), 1u);
}

TEST_F(WaitingReceiverTest, what_is_committed_while_another_took_the_batch_reaches_who_waits) {
  SimExecutor another_shard{loop};
  constexpr std::size_t rounds = 400;
  for (std::size_t round = 0; round < rounds; ++round) {
    loop.shuffle(round);
    const std::size_t step = round % 20;
    loop.advance(2 * FeedbackQueue::kPause);
    const auto waiting = wait();
    add("a");
    queue.on_written();
    std::vector<std::string> rest;
    std::vector<std::string> locks;
    const auto rest_takes = [&] {
      queue.receive(Reply<std::optional<FeedbackBatch>>(shard0, [&](Result<std::optional<FeedbackBatch>> r) {
        ASSERT_TRUE(r);
        if (!*r) return;
        for (const FeedbackRecord& record : (*r)->records) rest.push_back(record.original_message_id);
        locks.push_back((*r)->lock_token);
      }));
    };
    rest_takes();
    loop.run_some(step);
    C2dOutcome outcome;
    outcome.device = "d1";
    outcome.feedback.push_back({0, "b", loop.wall_now(), FeedbackStatus::success, "d1", "1"});
    stores.c2d().settle(outcome,
                        Reply<void>(another_shard, [&](const Result<void>&) { queue.on_written(); }));
    loop.advance(FeedbackQueue::kPause);
    loop.advance(FeedbackQueue::kPause);
    const bool rest_has_all = rest.size() == 2;
    ASSERT_TRUE(rest_has_all || waiting->records() > 0) << round;
    for (const std::string& lock : locks) ASSERT_TRUE(complete(lock));
    if (waiting->records() > 0) {
      ASSERT_TRUE(complete((*waiting->answer)->lock_token));
    } else {
      queue.cancel(waiting->name);
    }
    for (std::string lock; !take(&lock).empty();) ASSERT_TRUE(complete(lock));
  }
}

TEST_F(WaitingReceiverTest, REST_takes_what_others_wait_for) {
  const auto first = wait();
  add_and_tell("a");
  ASSERT_EQ(first->records(), 1u);
  const auto second = wait();
  add_and_tell("b");
  EXPECT_THAT(take(), ElementsAre("b"));
  loop.advance(seconds{15});
  EXPECT_EQ(second->records(), 0u);
  add_and_tell("c");
  EXPECT_EQ(second->records(), 1u);
}

TEST_F(WaitingReceiverTest, who_cancels_waits_no_more_and_there_are_not_too_many) {
  const auto gone = wait();
  queue.cancel(gone->name);
  loop.run();
  ASSERT_TRUE(gone->answer);
  EXPECT_FALSE(*gone->answer);
  for (std::size_t i = 0; i < limits::kFeedbackWaitersMax; ++i) ASSERT_FALSE(wait()->answer);
  const auto beyond = wait();
  ASSERT_TRUE(beyond->answer);
  EXPECT_EQ(beyond->answer->error().code, Errc::busy);
}

TEST_F(WaitingReceiverTest, who_cancels_while_it_is_served_is_answered_and_keeps_no_place) {
  constexpr std::size_t rounds = 200;
  for (std::size_t round = 0; round < rounds; ++round) {
    loop.shuffle(round);
    loop.advance(2 * FeedbackQueue::kPause);
    const auto waiting = wait();
    add("a");
    queue.on_written();
    std::string taken;
    queue.receive(Reply<std::optional<FeedbackBatch>>(shard0, [&](Result<std::optional<FeedbackBatch>> r) {
      if (r && *r) taken = (*r)->lock_token;
    }));
    loop.run_some(round % 20);
    queue.cancel(waiting->name);
    loop.run();
    ASSERT_TRUE(waiting->answer) << round;
    if (waiting->records() > 0) ASSERT_TRUE(complete((*waiting->answer)->lock_token));
    if (!taken.empty()) ASSERT_TRUE(complete(taken));
    for (std::string lock; !take(&lock).empty();) ASSERT_TRUE(complete(lock));
  }
}

}  // namespace
}  // namespace kyanite::test
