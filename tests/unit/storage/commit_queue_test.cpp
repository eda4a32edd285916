#include "storage/rocksdb/commit_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/store_helpers.h"

// The queue over a target that is not a database: groups, order, pacing, marks, failure, and many threads
// (this program runs under the thread sanitizer too).
namespace kyanite {
namespace {

constexpr milliseconds kLongPace = std::chrono::hours(1);  // longer than any test waits

class FakeTarget final : public CommitTarget {
 public:
  struct Commit {
    SteadyTime start;
    std::size_t operations = 0;
    std::size_t bytes = 0;
  };

  void stage(TelemetryAppend& append) override {
    add(append.record.size());
    order_.push_back(append.ack.sequence);
  }
  Result<void> stage(StoreStep&) override {
    add(0);
    if (refuse_steps) return Error(Errc::precondition_failed);
    return {};
  }
  Result<void> commit() override {
    std::unique_lock lock(mutex_);
    staged_ = false;
    ++entered_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    if (fail_at_ != 0 && commits_.size() >= fail_at_) return Error(Errc::storage_failed, "no disk");
    return {};
  }
  void publish() override {}

  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  void wait_for_commits(std::size_t wanted) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, seconds(120), [&] { return entered_ >= wanted; }));
  }
  void fail_at(std::size_t commit) {
    const std::lock_guard lock(mutex_);
    fail_at_ = commit;
  }
  std::vector<Commit> commits() const {
    const std::lock_guard lock(mutex_);
    return commits_;
  }
  const std::vector<std::uint64_t>& order() const { return order_; }  // once the queue is closed

  std::atomic<bool> refuse_steps = false;

 private:
  void add(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(staged_, true)) commits_.push_back({std::chrono::steady_clock::now(), 0, 0});
    ++commits_.back().operations;
    commits_.back().bytes += bytes;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool staged_ = false;
  std::size_t entered_ = 0;
  std::size_t fail_at_ = 0;
  std::vector<Commit> commits_;
  std::vector<std::uint64_t> order_;
};

class CommitQueueTest : public testing::Test {
 protected:
  void start(CommitQueue::Limits limits) {
    queue_ = std::make_unique<CommitQueue>(target_, gauge_, limits, [this](const Error&) { ++fatal_; });
  }
  void append(std::uint64_t first, std::size_t count) {
    TelemetryBatch batch{&sink_, {}};
    for (std::uint64_t i = first; i < first + count; ++i)
      batch.appends.push_back(make_append(0, "d", i, "b"));
    queue_->append(std::move(batch));
  }
  // Waits until the acknowledgements are there; the queue's own thread gives them.
  void wait_for_acks(std::size_t wanted) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(120);
    while (sink_.count() < wanted && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_GE(sink_.count(), wanted);
  }
  Reply<void> reply(std::vector<Errc>& errors) {
    return Reply<void>(
        home_, [&](Result<void> result) { errors.push_back(result ? Errc::internal : result.error().code); });
  }
  static StoreStep step() {
    return [](StagedGroup&) -> Result<void> { return {}; };
  }

  ManualExecutor home_;
  FakeTarget target_;
  RecordingSink sink_;
  std::atomic<int> fatal_ = 0;
  std::shared_ptr<PressureGauge> gauge_ = std::make_shared<PressureGauge>();
  std::unique_ptr<CommitQueue> queue_;
};

TEST_F(CommitQueueTest, what_waits_during_a_commit_becomes_one_group) {
  start({.pace = milliseconds(0)});
  target_.hold(true);
  append(0, 1);
  target_.wait_for_commits(1);
  for (std::uint64_t i = 1; i <= 50; ++i) append(i, 1);
  target_.hold(false);
  wait_for_acks(51);
  queue_->close();
  ASSERT_EQ(target_.commits().size(), 2u);
  EXPECT_EQ(target_.commits()[1].operations, 50u);
}

TEST_F(CommitQueueTest, a_group_keeps_to_its_operations_and_bytes_even_inside_one_batch) {
  start({.group_operations = 100, .pace = milliseconds(0)});
  append(0, 1050);
  queue_->close();
  std::size_t total = 0;
  for (const auto& commit : target_.commits()) {
    EXPECT_LE(commit.operations, 100u);
    total += commit.operations;
  }
  EXPECT_EQ(total, 1050u);
  EXPECT_EQ(sink_.count(), 1050u);
  for (std::uint64_t i = 0; i < 1050; ++i) ASSERT_EQ(sink_.sequences()[i], i);
}

TEST_F(CommitQueueTest, a_group_keeps_to_its_bytes) {
  start({.group_bytes = 1000, .pace = milliseconds(0)});
  append(0, 500);
  queue_->close();
  for (const auto& commit : target_.commits()) EXPECT_LE(commit.bytes, 1000u);
  EXPECT_EQ(sink_.count(), 500u);
}

TEST_F(CommitQueueTest, a_lone_write_is_not_paced) {
  start({.pace = kLongPace});
  for (std::uint64_t i = 0; i < 5; ++i) {
    append(i, 1);
    wait_for_acks(i + 1);
  }
  EXPECT_EQ(target_.commits().size(), 5u);
}

TEST_F(CommitQueueTest, commits_of_several_start_at_least_the_pace_apart) {
  constexpr milliseconds kPace(20);
  start({.pace = kPace});
  const auto before = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < 5; ++i) {
    append(i * 2, 2);
    wait_for_acks(i * 2 + 2);
  }
  const auto commits = target_.commits();
  ASSERT_EQ(commits.size(), 5u);
  // From the beginning: the target may hear of a commit late, and then the next seems to come early.
  for (std::size_t i = 1; i < commits.size(); ++i) {
    EXPECT_GE(commits[i].start - before, static_cast<int>(i) * kPace) << i;
  }
}

TEST_F(CommitQueueTest, a_whole_group_does_not_wait_for_the_pace) {
  start({.group_operations = 10, .pace = kLongPace});
  append(0, 1);  // a lone write: the pace is for what follows
  wait_for_acks(1);
  append(1, 3);
  append(4, 7);
  wait_for_acks(11);
}

TEST_F(CommitQueueTest, closing_does_not_wait_for_the_pace) {
  start({.pace = kLongPace});
  append(0, 1);
  wait_for_acks(1);
  append(1, 2);
  queue_->close();
  EXPECT_EQ(sink_.count(), 3u);
}

TEST_F(CommitQueueTest, pressure_comes_above_the_high_mark_and_goes_below_the_low_mark) {
  std::vector<StorePressure> heard;
  gauge_->add_listener(home_, [&](StorePressure pressure) { heard.push_back(pressure); });
  start({.high_operations = 100, .group_operations = 30, .pace = milliseconds(0)});
  target_.hold(true);
  append(0, 100);
  EXPECT_EQ(gauge_->value(), StorePressure::none);
  append(100, 1);
  EXPECT_EQ(gauge_->value(), StorePressure::queue_full);
  home_.run_ready();
  EXPECT_EQ(heard, std::vector{StorePressure::queue_full});
  target_.hold(false);
  ASSERT_TRUE(home_.run_until([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard[1], StorePressure::none);
}

TEST_F(CommitQueueTest, bytes_count_for_pressure_too) {
  start({.high_bytes = 1000, .pace = milliseconds(0)});
  target_.hold(true);
  append(0, 100);
  EXPECT_EQ(gauge_->value(), StorePressure::queue_full);
  target_.hold(false);
}

TEST_F(CommitQueueTest, replies_of_a_group_cost_one_wake_up) {
  start({.pace = milliseconds(0)});
  target_.hold(true);
  append(0, 1);
  target_.wait_for_commits(1);
  std::vector<Errc> answers;
  for (int i = 0; i < 20; ++i) queue_->write(step(), 10, reply(answers));
  const std::size_t before = home_.wake_ups();
  target_.hold(false);
  ASSERT_TRUE(home_.run_until([&] { return answers.size() == 20; }));
  EXPECT_EQ(home_.wake_ups(), before + 1);
}

TEST_F(CommitQueueTest, a_refused_step_gets_its_own_error_after_the_commit) {
  start({.pace = milliseconds(0)});
  target_.refuse_steps = true;
  target_.hold(true);
  std::vector<Errc> answers;
  queue_->write(step(), 10, reply(answers));
  target_.wait_for_commits(1);
  home_.run_ready();
  EXPECT_TRUE(answers.empty());
  target_.hold(false);
  ASSERT_TRUE(home_.run_until([&] { return !answers.empty(); }));
  EXPECT_EQ(answers[0], Errc::precondition_failed);
}

TEST_F(CommitQueueTest, after_a_failed_commit_nothing_is_answered_as_success) {
  start({.pace = milliseconds(0)});
  append(0, 3);
  wait_for_acks(3);
  target_.fail_at(2);
  target_.hold(true);
  std::vector<Errc> answers;
  append(3, 1);
  queue_->write(step(), 10, reply(answers));  // in the failing group, or behind it
  target_.wait_for_commits(2);
  queue_->write(step(), 10, reply(answers));
  append(4, 5);
  target_.hold(false);
  ASSERT_TRUE(home_.run_until([&] { return answers.size() == 2; }));
  queue_->write(step(), 10, reply(answers));
  append(9, 1);
  queue_->close();
  queue_->write(step(), 10, reply(answers));
  home_.run_ready();
  EXPECT_EQ(answers, std::vector<Errc>(4, Errc::storage_failed));
  EXPECT_EQ(sink_.count(), 3u);
  EXPECT_EQ(fatal_, 1);
}

TEST_F(CommitQueueTest, a_closed_queue_refuses) {
  start({.pace = milliseconds(0)});
  queue_->close();
  std::vector<Errc> answers;
  queue_->write(step(), 10, reply(answers));
  append(0, 1);
  home_.run_ready();
  EXPECT_EQ(answers, std::vector<Errc>(1, Errc::shutting_down));
  EXPECT_EQ(sink_.count(), 0u);
}

// Retention asks for no answer, and its tick may come between the end of the queue and that of the readers.
TEST_F(CommitQueueTest, a_closed_queue_takes_a_write_that_wants_no_answer_in_silence) {
  start({});
  queue_->close();
  queue_->write([](StagedGroup&) { return Result<void>(); }, 1, Reply<void>());
  EXPECT_TRUE(target_.commits().empty());
}

TEST_F(CommitQueueTest, threads_keep_their_own_order_and_lose_nothing) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kEach = 2000;
  start({.group_operations = 64, .pace = milliseconds(0)});
  std::vector<RecordingSink> sinks(kThreads);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kEach; i += 10) {
        TelemetryBatch batch{&sinks[t], {}};
        for (std::uint64_t k = i; k < i + 10; ++k)
          batch.appends.push_back(make_append(0, "d", t << 32 | k, "b"));
        queue_->append(std::move(batch));
        if (i % 100 == 0) queue_->write(step(), 10, Reply<void>());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  queue_->close();
  EXPECT_EQ(target_.order().size(), kThreads * kEach);
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    const auto acks = sinks[t].sequences();
    ASSERT_EQ(acks.size(), kEach);
    for (std::uint64_t i = 0; i < kEach; ++i) ASSERT_EQ(acks[i], t << 32 | i);
  }
}

TEST_F(CommitQueueTest, groups_and_the_time_of_each_message_are_counted) {
  start({.group_operations = 100, .pace = milliseconds(0)});
  target_.hold(true);
  append(0, 1);
  target_.wait_for_commits(1);
  append(1, 250);
  const CommitQueue::Statistics waiting = queue_->statistics();
  EXPECT_EQ(waiting.waiting_operations, 251u);
  EXPECT_GT(waiting.waiting_bytes, 0u);
  std::this_thread::sleep_for(milliseconds(2));  // what every time here is at least
  target_.hold(false);
  wait_for_acks(251);
  queue_->close();
  const CommitQueue::Statistics done = queue_->statistics();
  const auto total = [](const auto& histogram) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < std::decay_t<decltype(histogram)>::kBuckets; ++i) sum += histogram.count(i);
    return sum;
  };
  EXPECT_EQ(total(done.group_operations), target_.commits().size());
  EXPECT_DOUBLE_EQ(done.group_operations.sum(), 251);
  EXPECT_EQ(total(done.commit_seconds), target_.commits().size());
  EXPECT_EQ(total(done.telemetry_seconds), 251u);
  EXPECT_GE(done.telemetry_seconds.sum(), 251 * 0.002);
  EXPECT_EQ(done.waiting_operations, 0u);
  EXPECT_EQ(done.waiting_bytes, 0u);
}

}  // namespace
}  // namespace kyanite
