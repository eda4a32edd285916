#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

// A disk that begins to fail, and tables that are damaged, while the store is in use.
namespace kyanite {
namespace {

using testing::HasSubstr;

// Takes no more tables from a moment on; the log goes on.
class TablelessFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  TablelessFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "TablelessFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (takes_no_tables && name.ends_with(".sst")) return rocksdb::IOStatus::IOError("the disk fails", name);
    return FileSystemWrapper::NewWritableFile(name, options, file, debug);
  }
  std::atomic<bool> takes_no_tables = false;
};

class StoreTroubleTest : public testing::Test {
 protected:
  void open() {
    RocksdbHooks hooks;
    hooks.file_system = disk_;
    hooks.free_bytes = [] { return UINT64_MAX; };  // whatever the machine has
    hooks.on_fatal = [this](const Error& error) {
      fatal_text_ = error.detail;
      ++fatal_;
    };
    hooks.on_trouble = [this](const Error& error) {
      trouble_text_ = error.detail;
      ++trouble_;
    };
    auto opened = open_rocksdb_stores(path(), Settings::Storage{}, std::move(hooks));
    ASSERT_TRUE(opened) << opened.error().detail;
    stores_ = std::move(*opened);
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(120);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  TemporaryDirectory directory_;
  ManualExecutor home_;
  RecordingSink sink_;
  std::shared_ptr<TablelessFileSystem> disk_ = std::make_shared<TablelessFileSystem>();
  std::string fatal_text_, trouble_text_;
  std::atomic<int> fatal_ = 0, trouble_ = 0;
  std::unique_ptr<Stores> stores_;  // last, since its threads use the others
};

TEST_F(StoreTroubleTest, tables_that_cannot_be_written_end_the_store_before_the_next_commit_asks) {
  open();
  ASSERT_TRUE(create(home_, *stores_, make_identity("d1")));
  disk_->takes_no_tables = true;
  EXPECT_FALSE(checkpoint_rocksdb_stores(*stores_, directory_.path() / "copy"));  // writes tables first
  ASSERT_TRUE(eventually([&] { return fatal_ == 1; }));
  EXPECT_THAT(fatal_text_, HasSubstr("the disk fails"));
  EXPECT_EQ(create(home_, *stores_, make_identity("d2")).error().code, Errc::storage_failed);
  EXPECT_EQ(fatal_, 1);
  stores_.reset();
  disk_->takes_no_tables = false;
  open();
  EXPECT_EQ(counts(home_, *stores_).value(), (IdentityCounts{1, 0}));
}

TEST_F(StoreTroubleTest, a_damaged_table_fails_the_reads_that_need_it_and_the_operator_hears_of_it) {
  open();
  TelemetryBatch batch{&sink_, {}};
  for (std::uint64_t i = 0; i < 40; ++i) {
    std::string body(20'000, '\0');  // that no compression makes small
    for (std::size_t at = 0; at < body.size(); ++at)
      body[at] = static_cast<char>((at * 2654435761u + i * 40503u) >> 13);
    batch.appends.push_back(make_append(0, "d", i, body));
  }
  stores_->telemetry().append(std::move(batch));
  ASSERT_TRUE(eventually([&] { return sink_.count() == 40; }));
  ASSERT_TRUE(create(home_, *stores_, make_identity("d1")));
  ASSERT_TRUE(checkpoint_rocksdb_stores(*stores_, directory_.path() / "copy"));
  stores_.reset();
  std::filesystem::path largest;
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().extension() != ".sst") continue;
    if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) largest = entry.path();
  }
  std::fstream table(largest, std::ios::in | std::ios::out | std::ios::binary);
  table.seekp(static_cast<std::streamoff>(std::filesystem::file_size(largest) / 2));
  table << "damage";
  table.close();
  open();
  EXPECT_EQ(trouble_, 0);
  const auto page = read_page(home_, *stores_, 0, 0, 1000);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, Errc::storage_failed);
  EXPECT_EQ(trouble_, 1);
  EXPECT_THAT(trouble_text_, HasSubstr(largest.filename().string()));
  EXPECT_TRUE(create(home_, *stores_, make_identity("d2")));  // the rest goes on
  const auto statistics =
      await<StoreStatistics>(home_, [&](auto reply) { stores_->statistics(std::move(reply)); });
  EXPECT_EQ(statistics->read_failures, 1u);
  EXPECT_EQ(fatal_, 0);
}

// A loss that was accepted leaves a gap between offsets.
TEST_F(StoreTroubleTest, a_search_by_time_passes_over_an_event_that_is_lost) {
  open();
  TelemetryBatch batch{&sink_, {}};
  for (std::uint64_t i = 0; i < 9; ++i) batch.appends.push_back(make_append(0, "d", i, std::to_string(i)));
  stores_->telemetry().append(std::move(batch));
  ASSERT_TRUE(eventually([&] { return sink_.count() == 9; }));
  stores_.reset();
  {
    const auto database = Database::open(path(), {});
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->db().Delete({}, (*database)->telemetry(0), keys::of_number(4)).ok());
  }
  open();
  const auto found = await<TelemetryOffset>(home_, [&](auto reply) {
    stores_->telemetry().find_time(PartitionId{0}, WallTime(milliseconds(1)), std::move(reply));
  });
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ(found->value, 0u);
  EXPECT_EQ(read_page(home_, *stores_, 0, 0, 100)->records.size(), 8u);
}

}  // namespace
}  // namespace kyanite
