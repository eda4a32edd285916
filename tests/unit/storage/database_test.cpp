#include "storage/rocksdb/database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "storage/rocksdb/keys.h"
#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

class DatabaseTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Database>> open(const Database::Options& options = {}) {
    return Database::open(path(), options);
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }
  static std::string get(Database& database, std::string_view key) {
    std::string value;
    database.db().Get(rocksdb::ReadOptions(), std::string(key), &value);
    return value;
  }

  TemporaryDirectory directory_;
};

TEST_F(DatabaseTest, a_new_store_is_private_to_its_owner) {
  ASSERT_TRUE(open());
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(DatabaseTest, a_new_store_gets_an_id_and_keeps_it) {
  const std::string id = get(**open(), keys::kHubId);
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(get(**open(), keys::kHubId), id);
}

TEST_F(DatabaseTest, a_second_opening_of_the_same_directory_is_told_clearly) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::config_invalid);
  EXPECT_NE(second.error().detail.find("another process is using the store"), std::string::npos)
      << second.error().detail;
}

TEST_F(DatabaseTest, another_number_of_partitions_is_refused_and_changes_nothing) {
  ASSERT_TRUE(open());
  for (const std::uint32_t partitions : {1u, 8u}) {
    Database::Options other;
    other.partitions = partitions;
    const auto opened = open(other);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::config_invalid);
    EXPECT_NE(opened.error().detail.find("made with 4"), std::string::npos) << opened.error().detail;
  }
  EXPECT_TRUE(open());
}

TEST_F(DatabaseTest, a_newer_format_is_refused_with_both_versions) {
  Database::Options newer;
  newer.format_version = 7;
  ASSERT_TRUE(open(newer));
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::config_invalid);
  EXPECT_NE(opened.error().detail.find("format 7"), std::string::npos) << opened.error().detail;
  EXPECT_NE(opened.error().detail.find("format 1"), std::string::npos) << opened.error().detail;
}

TEST_F(DatabaseTest, an_older_format_is_migrated_step_by_step_and_each_step_runs_once) {
  ASSERT_TRUE(open());
  std::vector<std::uint32_t> ran;
  Database::Options options;
  options.format_version = 3;
  for (const std::uint32_t to : {2u, 3u}) {
    options.steps.push_back({to, [&ran, to](rocksdb::DB&, rocksdb::WriteBatch& batch) -> Result<void> {
                               ran.push_back(to);
                               batch.Put("made-by-" + std::to_string(to), "x");
                               return {};
                             }});
  }
  {
    const auto opened = open(options);
    ASSERT_TRUE(opened);
    EXPECT_EQ(get(**opened, "made-by-2"), "x");
    EXPECT_EQ(get(**opened, "made-by-3"), "x");
    EXPECT_EQ(get(**opened, keys::migration(2)), "{}");
    EXPECT_EQ(decode_format(get(**opened, keys::kFormat))->version, 3u);
  }
  ASSERT_TRUE(open(options));
  EXPECT_EQ(ran, (std::vector<std::uint32_t>{2, 3}));
}

TEST_F(DatabaseTest, a_failed_step_leaves_the_format_before_it) {
  ASSERT_TRUE(open());
  Database::Options options;
  options.format_version = 2;
  options.steps.push_back({2, [](rocksdb::DB&, rocksdb::WriteBatch& batch) -> Result<void> {
                             batch.Put("half", "x");
                             return Error(Errc::storage_failed, "cannot");
                           }});
  EXPECT_FALSE(open(options));
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_EQ(get(**opened, "half"), "");
}

TEST_F(DatabaseTest, a_store_whose_first_start_was_cut_short_is_finished) {
  {
    rocksdb::Options options;
    options.create_if_missing = true;
    std::filesystem::create_directories(path());
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, path().string(), &db).ok());
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily(options, "telemetry.0", &handle).ok());
    delete handle;
    delete db;
  }
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(get(**opened, keys::kHubId).size(), 32u);
}

TEST_F(DatabaseTest, a_file_in_the_place_of_the_directory_is_told) {
  std::ofstream(path()) << "x";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::io_failed);
  EXPECT_NE(opened.error().detail.find(path().string()), std::string::npos);
}

TEST_F(DatabaseTest, a_directory_that_may_not_be_written_is_told) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  std::filesystem::create_directories(path());
  std::filesystem::permissions(path(),
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const auto opened = open();
  std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::io_failed);
}

TEST_F(DatabaseTest, a_damaged_store_is_told_as_such) {
  ASSERT_TRUE(open());
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().filename().string().starts_with("MANIFEST"))
      std::filesystem::resize_file(entry.path(), 10);
  }
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::storage_failed);
}

}  // namespace
}  // namespace kyanite
