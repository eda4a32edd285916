#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/crash/faulty_file_system.h"
#include "tests/support/store_helpers.h"

// The embedded engine on a disk that fails. What was answered as success must be there afterwards, in order;
// after the failure nothing is answered as success.
namespace kyanite {
namespace {

class PowerCutTest : public testing::Test {
 protected:
  void open() {
    disk_ = std::make_shared<FaultyFileSystem>();
    fatal_ = 0;
    RocksdbHooks hooks;
    hooks.file_system = disk_;
    hooks.free_bytes = [] { return UINT64_MAX; };  // whatever the machine has
    hooks.on_fatal = [this](const Error&) {
      acked_at_failure_ = sink_->count();
      ++fatal_;
    };
    auto opened = open_rocksdb_stores(directory_.path(), settings_, std::move(hooks));
    ASSERT_TRUE(opened) << opened.error().detail;
    stores_ = std::move(*opened);
  }
  // A new store in an empty directory.
  void start_afresh() {
    stores_.reset();
    std::filesystem::remove_all(directory_.path());
    sink_ = std::make_unique<RecordingSink>();
    next_ = 0;
    open();
  }
  void lose_power_and_reopen() {
    disk_->cut_power();
    stores_.reset();
    disk_->drop_unsynced();
    open();
  }
  // One batch of records of a device in each partition; bodies are the sequence numbers.
  void append(std::size_t count) {
    TelemetryBatch batch{sink_.get(), {}};
    for (std::size_t i = 0; i < count; ++i, ++next_) {
      batch.appends.push_back(
          make_append(next_ % 4, "d" + std::to_string(next_ % 4), next_, std::to_string(next_) + padding_));
    }
    stores_->telemetry().append(std::move(batch));
  }
  template <class Condition>
  bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(120);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  // Every partition holds a prefix of what was appended to it, and at least what was acknowledged.
  void check_log() {
    std::set<std::uint64_t> found;
    for (std::uint32_t p = 0; p < 4; ++p) {
      std::uint64_t expected = p;
      for (std::uint64_t from = 0;;) {
        const auto page = read_page(home_, *stores_, p, from, 1000);
        ASSERT_TRUE(page) << page.error().detail;
        if (page->records.empty()) break;
        for (const TelemetryRecord& record : page->records) {
          ASSERT_EQ(record.body, std::to_string(expected) + padding_);
          ASSERT_EQ(record.offset.value, from++);
          ASSERT_LT(expected, next_);
          found.insert(expected);
          expected += 4;
        }
      }
    }
    for (const std::uint64_t sequence : sink_->sequences()) ASSERT_TRUE(found.contains(sequence)) << sequence;
  }

  TemporaryDirectory directory_;
  ManualExecutor home_;
  Settings::Storage settings_;
  std::shared_ptr<FaultyFileSystem> disk_;
  std::unique_ptr<RecordingSink> sink_ = std::make_unique<RecordingSink>();
  std::atomic<int> fatal_ = 0;
  std::atomic<std::size_t> acked_at_failure_ = 0;
  std::uint64_t next_ = 0;
  std::string padding_;
  std::unique_ptr<Stores> stores_;  // last, since its threads use the others
};

TEST_F(PowerCutTest, what_was_acknowledged_survives_the_loss_of_everything_unsynced) {
  std::mt19937 random(7);
  for (int round = 0; round < 8; ++round) {
    start_afresh();
    const std::size_t batches = 20 + random() % 50;
    for (std::size_t i = 0; i < batches; ++i) append(1 + random() % 20);
    const std::size_t cut_after = random() % next_;
    ASSERT_TRUE(eventually([&] { return sink_->count() >= cut_after; }));
    disk_->cut_power();
    ASSERT_TRUE(eventually([&] { return fatal_ == 1 || sink_->count() == next_; }));
    lose_power_and_reopen();
    check_log();
  }
}

TEST_F(PowerCutTest, an_acknowledged_identity_survives_and_its_counts_with_it) {
  open();
  std::uint64_t made = 0;
  for (; made < 30; ++made) ASSERT_TRUE(create(home_, *stores_, make_identity("d" + std::to_string(made))));
  lose_power_and_reopen();
  EXPECT_EQ(counts(home_, *stores_).value(), (IdentityCounts{made, 0}));
  const auto page = await<std::vector<IdentityRecord>>(
      home_, [&](auto reply) { stores_->identities().scan("", 100, std::move(reply)); });
  EXPECT_EQ(page->size(), made);
}

TEST_F(PowerCutTest, queues_and_twins_that_were_answered_survive_and_a_settled_message_stays_away) {
  open();
  ASSERT_TRUE(create(home_, *stores_, make_identity("d")));
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    ASSERT_TRUE(append_message(home_, *stores_, make_message("d", sequence)));
  }
  const FeedbackRecord feedback{0, "m1", kNever, FeedbackStatus::success, "d", "1"};
  ASSERT_TRUE(settle(home_, *stores_, {"d", {1, 3}, {{2, 1, true}}, {feedback}}));
  TwinRecord twin;
  for (std::uint64_t seen = 2; seen < 12; ++seen) {
    twin.version = seen + 1;
    ASSERT_TRUE(put_twin(home_, *stores_, {{"d", ""}, twin, seen, {make_append(0, "d", 0, "event", false)}}));
  }
  lose_power_and_reopen();
  const auto device = load(home_, *stores_, "d");
  ASSERT_EQ(device->c2d.size(), 18u);
  EXPECT_EQ(device->c2d[0].sequence, 2u);
  EXPECT_EQ(device->c2d[0].delivery_count, 1u);
  EXPECT_EQ(device->c2d[1].sequence, 4u);
  EXPECT_EQ(device->next_c2d_sequence, 21u);
  EXPECT_EQ(read_messages(home_, *stores_, "d")->size(), 18u);
  EXPECT_EQ(load_twin(home_, *stores_, {"d", ""})->version, 12u);
  EXPECT_EQ(stores_->telemetry().range(PartitionId{0}).end.value, 10u);
  ASSERT_TRUE(settle(home_, *stores_, {"d", {}, {}, {feedback}}));
  const auto told = await<std::vector<FeedbackRecord>>(
      home_, [&](auto reply) { stores_->feedback().read(0, 10, std::move(reply)); });
  ASSERT_EQ(told->size(), 2u);
  EXPECT_LT(told->at(0).sequence, told->at(1).sequence);
}

TEST_F(PowerCutTest, a_start_that_was_told_is_never_told_again) {
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 0) {
      open();
    } else {
      lose_power_and_reopen();
    }
    const auto hub = await<HubRecords>(home_, [&](auto reply) { stores_->hub().load(std::move(reply)); });
    ASSERT_TRUE(hub);
    EXPECT_GT(hub->starts, last);
    last = hub->starts;
  }
}

// The same load, with the sync failing at number 1, 2, 3, ...
TEST_F(PowerCutTest, a_failed_sync_stops_the_store_once_and_acknowledges_nothing_after_it) {
  for (std::uint64_t nth = 1; nth <= 6; ++nth) {
    start_afresh();
    disk_->fail_log_sync(nth);
    for (std::uint64_t i = 1; i < nth; ++i) {  // each waited for, so each is one sync
      append(3);
      ASSERT_TRUE(eventually([&] { return sink_->count() == i * 3; }));
    }
    append(5);
    ASSERT_TRUE(eventually([&] { return fatal_ == 1; })) << nth;
    append(5);
    EXPECT_EQ(create(home_, *stores_, make_identity("d")).error().code, Errc::storage_failed);
    EXPECT_EQ(fatal_, 1);
    EXPECT_EQ(sink_->count(), (nth - 1) * 3);
    EXPECT_EQ(acked_at_failure_, (nth - 1) * 3);
    lose_power_and_reopen();
    check_log();
  }
}

TEST_F(PowerCutTest, a_full_disk_stops_the_store_and_what_was_acknowledged_is_there) {
  padding_ = std::string(3000, 'x');
  settings_.free_bytes_floor = 0;
  for (const std::uint64_t room : {1000u, 50'000u, 500'000u}) {
    start_afresh();
    disk_->set_free_bytes(room);
    for (int i = 0; i < 400 && fatal_ == 0; ++i) {
      append(4);
      ASSERT_TRUE(eventually([&] { return fatal_ == 1 || sink_->count() == next_; }));
    }
    ASSERT_EQ(fatal_, 1) << room;
    EXPECT_EQ(sink_->count(), acked_at_failure_);
    EXPECT_EQ(create(home_, *stores_, make_identity("d")).error().code, Errc::storage_failed);
    lose_power_and_reopen();
    check_log();
  }
}

TEST_F(PowerCutTest, without_fsync_a_power_cut_leaves_a_prefix_and_no_damage) {
  settings_.durability = Durability::os;
  open();
  append(1000);
  ASSERT_TRUE(eventually([&] { return sink_->count() == 1000; }));
  sink_ = std::make_unique<RecordingSink>();  // acknowledgements promise nothing here
  lose_power_and_reopen();
  check_log();
}

}  // namespace
}  // namespace kyanite
