#include "storage/rocksdb/retention.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "storage/rocksdb/group_writer.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

// Retention on the whole engine: its tick runs each millisecond here, the clock is the test's.
namespace kyanite {
namespace {

class RetentionTest : public testing::Test {
 protected:
  void open() {
    RocksdbHooks hooks;
    hooks.wall_clock = [this] { return home_.wall_now(); };
    hooks.steady_clock = [this] {  // read twice a run of retention, and twice at the start
      ++runs_;
      return home_.now();
    };
    hooks.on_clock_step = [this](milliseconds) { ++steps_; };
    hooks.free_bytes = [this] { return free_bytes_.load(); };
    hooks.housekeeping_interval = milliseconds(1);
    auto opened = open_rocksdb_stores(directory_.path(), settings_, std::move(hooks));
    ASSERT_TRUE(opened) << opened.error().detail;
    stores_ = std::move(*opened);
  }
  void append(std::size_t count, const std::string& body) {
    const std::uint64_t end = range().end.value + count;
    TelemetryBatch batch{&sink_, {}};
    for (std::size_t i = 0; i < count; ++i) batch.appends.push_back(make_append(0, "d", i, body));
    stores_->telemetry().append(std::move(batch));
    ASSERT_TRUE(eventually([&] { return range().end.value == end; }));
  }
  TelemetryRange range() { return stores_->telemetry().range(PartitionId{0}); }
  template <class Condition>
  bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(120);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TemporaryDirectory directory_;
  ManualExecutor home_;
  std::atomic<int> runs_ = 0;
  std::atomic<int> steps_ = 0;
  std::atomic<std::uint64_t> free_bytes_ = UINT64_MAX;
  RecordingSink sink_;
  Settings::Storage settings_;
  std::unique_ptr<Stores> stores_;
};

TEST_F(RetentionTest, records_older_than_the_retention_go_and_readers_are_told) {
  open();
  append(10, "old");
  home_.advance(std::chrono::hours(23));
  append(5, "new");
  home_.advance(std::chrono::hours(2));
  ASSERT_TRUE(eventually([&] { return range().begin.value == 10; }));
  const auto page = read_page(home_, *stores_, 0, 3);
  ASSERT_EQ(page->records.size(), 5u);
  EXPECT_EQ(page->records[0].offset.value, 10u);
  EXPECT_EQ(page->first_available.value, 10u);
}

TEST_F(RetentionTest, a_clock_set_forward_takes_nothing_until_it_has_stayed_so_for_an_hour) {
  open();
  append(10, "kept");
  home_.step_wall_clock(std::chrono::hours(24 * 365));
  ASSERT_TRUE(eventually([&] { return steps_ == 1; }));
  home_.advance(std::chrono::minutes(50));
  const int runs = runs_;
  ASSERT_TRUE(eventually([&] { return runs_ >= runs + 8; }));  // a cut shows after two runs
  EXPECT_EQ(range().begin.value, 0u);
  EXPECT_EQ(steps_, 1);
  home_.advance(std::chrono::minutes(11));
  EXPECT_TRUE(eventually([&] { return range().begin.value == 10; }));
}

TEST_F(RetentionTest, a_stored_beginning_never_moves_readers_back) {
  const auto database = Database::open(directory_.path() / "store", {});
  ASSERT_TRUE(database);
  rocksdb::DB& db = (*database)->db();
  std::string record = make_append(0, "d", 0, "body").record;
  stamp_telemetry(record, home_.wall_now());
  const rocksdb::WriteOptions options;
  ASSERT_TRUE(db.Put(options, (*database)->telemetry(0), keys::of_number(10), record).ok());
  ASSERT_TRUE(db.Put(options, keys::log_begin(0), keys::of_number(5)).ok());
  const auto log = RocksdbTelemetryLog::recover(**database);
  ASSERT_TRUE(log);
  GroupWriter writer(**database, **log, Durability::os, {}, [this] { return home_.wall_now(); });
  CommitQueue queue(writer, std::make_shared<PressureGauge>(), {}, nullptr);
  Retention retention(**database, **log, queue, settings_,
                      {.wall = [this] { return home_.wall_now(); },
                       .steady = [this] { return home_.now(); },
                       .on_step = nullptr});
  retention.run();
  EXPECT_EQ((*log)->range(PartitionId{0}).begin.value, 10u);
}

TEST_F(RetentionTest, an_emptied_partition_goes_on_with_its_offsets_after_a_restart) {
  open();
  append(10, "old");
  home_.advance(std::chrono::hours(25));
  ASSERT_TRUE(eventually([&] { return range().begin.value == 10; }));
  EXPECT_EQ(range().end.value, 10u);
  stores_.reset();
  open();
  EXPECT_EQ(range().begin.value, 10u);
  EXPECT_EQ(range().end.value, 10u);
  append(1, "new");
  const auto page = read_page(home_, *stores_, 0, 0);
  ASSERT_EQ(page->records.size(), 1u);
  EXPECT_EQ(page->records[0].offset.value, 10u);
}

TEST_F(RetentionTest, a_partition_over_its_bytes_loses_its_oldest_and_no_more) {
  constexpr std::uint64_t kBodyBytes = 4096;
  constexpr std::uint64_t kRecords = 2048;
  open();
  std::mt19937 random(3);
  TelemetryBatch batch{&sink_, {}};
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    std::string body(kBodyBytes, ' ');
    for (char& c : body) c = static_cast<char>(random());  // does not compress
    batch.appends.push_back(make_append(0, "d", i, body));
  }
  stores_->telemetry().append(std::move(batch));
  stores_.reset();  // an orderly end puts the records into files, whose sizes are known
  settings_.retention_bytes = kBodyBytes * kRecords / 4;
  open();
  ASSERT_TRUE(eventually([&] { return range().begin.value > 0; }));
  const std::uint64_t kept = range().end.value - range().begin.value;
  EXPECT_GT(kept, kRecords / 4 * 8 / 10);
  EXPECT_LE(kept, kRecords / 4);
  EXPECT_EQ(read_page(home_, *stores_, 0, 0)->records.size(), kept);
}

TEST_F(RetentionTest, a_disk_under_its_floor_refuses_writes_until_there_is_room_again) {
  open();
  std::vector<StorePressure> heard;
  stores_->on_pressure_change(home_, [&](StorePressure pressure) { heard.push_back(pressure); });
  free_bytes_ = settings_.free_bytes_floor - 1;
  ASSERT_TRUE(home_.run_until([&] { return heard.size() == 1; }));
  EXPECT_EQ(heard[0], StorePressure::disk_low);
  EXPECT_EQ(stores_->pressure(), StorePressure::disk_low);
  EXPECT_EQ(create(home_, *stores_, make_identity("d")).error().code, Errc::busy);
  free_bytes_ = settings_.free_bytes_floor * 2;
  ASSERT_TRUE(home_.run_until([&] { return heard.size() == 2; }));
  EXPECT_TRUE(create(home_, *stores_, make_identity("d")));
}

}  // namespace
}  // namespace kyanite
