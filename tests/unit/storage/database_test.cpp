#include "storage/rocksdb/database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
  EXPECT_NE(opened.error().detail.find("format " + std::to_string(kFormatVersion)), std::string::npos)
      << opened.error().detail;
}

TEST_F(DatabaseTest, an_older_format_is_migrated_step_by_step_and_each_step_runs_once) {
  ASSERT_TRUE(open());
  std::vector<std::uint32_t> ran;
  Database::Options options;
  const std::uint32_t first = kFormatVersion + 1;
  const std::uint32_t second = kFormatVersion + 2;
  options.format_version = second;
  for (const std::uint32_t to : {first, second}) {
    options.steps.push_back({to, [&ran, to](rocksdb::DB&, rocksdb::WriteBatch& batch) -> Result<void> {
                               ran.push_back(to);
                               batch.Put("made-by-" + std::to_string(to), "x");
                               return {};
                             }});
  }
  {
    const auto opened = open(options);
    ASSERT_TRUE(opened);
    EXPECT_EQ(get(**opened, "made-by-" + std::to_string(first)), "x");
    EXPECT_EQ(get(**opened, "made-by-" + std::to_string(second)), "x");
    EXPECT_EQ(get(**opened, keys::migration(first)), "{}");
    EXPECT_EQ(decode_format(get(**opened, keys::kFormat))->version, second);
  }
  ASSERT_TRUE(open(options));
  EXPECT_EQ(ran, (std::vector<std::uint32_t>{first, second}));
}

TEST_F(DatabaseTest, a_failed_step_leaves_the_format_before_it) {
  ASSERT_TRUE(open());
  Database::Options options;
  options.format_version = kFormatVersion + 1;
  options.steps.push_back(
      {options.format_version, [](rocksdb::DB&, rocksdb::WriteBatch& batch) -> Result<void> {
         batch.Put("half", "x");
         return Error(Errc::storage_failed, "cannot");
       }});
  EXPECT_FALSE(open(options));
  const auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_EQ(get(**opened, "half"), "");
}

// As the first release left it: no family for sessions, queues of messages and feedback.
TEST_F(DatabaseTest, a_store_of_format_1_is_migrated_and_keeps_what_it_held) {
  const std::string device = keys::of_identity({"d", ""});
  {
    Database::Options first_release;
    first_release.format_version = 1;
    const auto made = open(first_release);
    ASSERT_TRUE(made);
    rocksdb::DB& db = (*made)->db();
    for (auto* family : {(*made)->session(), (*made)->c2d(), (*made)->c2d_body(), (*made)->c2d_expiry(),
                         (*made)->feedback()}) {
      ASSERT_TRUE(db.DropColumnFamily(family).ok());
    }
    ASSERT_TRUE(db.Put(rocksdb::WriteOptions(), (*made)->identity(), device, "kept").ok());
  }
  std::vector<std::string> families;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path().string(), &families).ok());
  EXPECT_EQ(std::count(families.begin(), families.end(), "session"), 0);
  for (int twice = 0; twice < 2; ++twice) {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().detail;
    EXPECT_EQ(decode_format(get(**opened, keys::kFormat))->version, kFormatVersion);
    EXPECT_EQ(get(**opened, keys::migration(2)), "{}");
    std::string value;
    ASSERT_TRUE((*opened)->db().Get(rocksdb::ReadOptions(), (*opened)->identity(), device, &value).ok());
    EXPECT_EQ(value, "kept");
    EXPECT_TRUE((*opened)->db().Put(rocksdb::WriteOptions(), (*opened)->session(), device, "x").ok());
  }
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

// RocksDB alone would begin anew and remove the tables.
TEST_F(DatabaseTest, a_store_without_its_current_file_is_not_taken_for_an_empty_one) {
  ASSERT_TRUE(open());
  std::filesystem::rename(path() / "CURRENT", directory_.path() / "aside");
  for (int twice = 0; twice < 2; ++twice) {
    const auto opened = open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::storage_failed);
    EXPECT_NE(opened.error().detail.find("CURRENT"), std::string::npos) << opened.error().detail;
  }
  std::filesystem::rename(directory_.path() / "aside", path() / "CURRENT");
  EXPECT_TRUE(open());
}

TEST_F(DatabaseTest, a_directory_with_a_stray_file_becomes_a_store) {
  std::filesystem::create_directories(path());
  std::ofstream(path() / "stray.txt") << "x";
  ASSERT_TRUE(open());
  EXPECT_TRUE(std::filesystem::exists(path() / "stray.txt"));
  EXPECT_TRUE(open());
}

TEST_F(DatabaseTest, a_table_that_is_missing_or_cut_short_is_told_at_the_opening) {
  {
    const auto opened = open();
    ASSERT_TRUE(opened);
    ASSERT_TRUE((*opened)->db().Put({}, (*opened)->twin(), "row", "value").ok());
    ASSERT_TRUE((*opened)->db().Flush({}, (*opened)->twin()).ok());
  }
  std::filesystem::path table;
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().extension() == ".sst") table = entry.path();
  }
  std::filesystem::copy_file(table, directory_.path() / "aside");
  for (const bool missing : {true, false}) {
    if (missing) {
      std::filesystem::remove(table);
    } else {
      std::filesystem::copy_file(directory_.path() / "aside", table);
      std::filesystem::resize_file(table, std::filesystem::file_size(table) - 1);
    }
    const auto opened = open();
    ASSERT_FALSE(opened) << missing;
    EXPECT_EQ(opened.error().code, Errc::storage_failed) << opened.error().detail;
  }
  std::filesystem::remove(table);
  std::filesystem::copy_file(directory_.path() / "aside", table);
  EXPECT_TRUE(open());
}

}  // namespace
}  // namespace kyanite
