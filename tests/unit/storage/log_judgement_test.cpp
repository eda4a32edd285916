#include "storage/rocksdb/log_judgement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "storage/record_codec.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/log_file.h"
#include "storage/rocksdb/staged_group.h"
#include "tests/support/store_helpers.h"

// What a kill, a loss of power and damage leave of the write-ahead log, and what a start makes of each.
namespace kyanite {
namespace {

using testing::HasSubstr;

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void replace_content(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

class LogJudgementTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Database>> open(std::uint64_t accept = 0,
                                         Durability durability = Durability::fsync) {
    Database::Options options;
    options.accept_damage = accept;
    options.durability = durability;
    return Database::open(path(), options);
  }
  // Opens the store and writes rows "<first>" and so on, each synced by itself.
  void write(int first, int count, std::size_t bytes = 40) {
    const auto database = open();
    ASSERT_TRUE(database) << database.error().detail;
    rocksdb::WriteOptions durable;
    durable.sync = true;
    for (int i = first; i < first + count; ++i) {
      const std::string value = "value-" + std::to_string(i) + std::string(bytes, 'v');
      ASSERT_TRUE(
          (*database)->db().Put(durable, (*database)->twin(), "row-" + std::to_string(i), value).ok());
    }
  }
  static bool has_row(Database& database, int row) {
    std::string value;
    return database.db()
        .Get(rocksdb::ReadOptions(), database.twin(), "row-" + std::to_string(row), &value)
        .ok();
  }
  LogJudgement judgement() const {
    const auto found = judge_log(path(), 0);
    EXPECT_TRUE(found) << found.error().detail;
    return found ? *found : LogJudgement{};
  }
  // The file of the log that holds the text, and where.
  std::pair<std::filesystem::path, std::size_t> place_of(const std::string& text) const {
    for (const LogFile& file : log_files(path())) {
      const std::size_t at = content_of(file.path).find(text);
      if (at != std::string::npos) return {file.path, at};
    }
    ADD_FAILURE() << text << " is in no log";
    return {};
  }
  void flip(const std::string& text) const {
    const auto [file, at] = place_of(text);
    std::string bytes = content_of(file);
    bytes[at] ^= 4;
    replace_content(file, bytes);
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  TemporaryDirectory directory_;
};

TEST_F(LogJudgementTest, records_of_every_size_are_read_as_rocksdb_wrote_them) {
  std::uint64_t latest = 0;
  {
    const auto database = open();
    ASSERT_TRUE(database);
    for (const std::size_t bytes : {1u, 100u, 32'000u, 32'740u, 32'750u, 40'000u, 200'000u, 3u}) {
      for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(
            (*database)
                ->db()
                .Put(rocksdb::WriteOptions(), (*database)->twin(), std::to_string(i), std::string(bytes, 'x'))
                .ok());
      }
    }
    latest = (*database)->db().GetLatestSequenceNumber();
  }
  const LogJudgement found = judgement();
  EXPECT_EQ(found.losses_in_all, 0u);
  EXPECT_EQ(found.unfinished_file, "");
  EXPECT_EQ(found.next_change, latest + 1);
}

TEST_F(LogJudgementTest, a_file_with_the_same_records_has_the_same_bytes) {
  write(0, 20, 5'000);
  for (const LogFile& file : log_files(path())) {
    LogFileWriter writer;
    LogFileHooks hooks;
    hooks.on_record = [&](const LogRecord& record) { writer.add(record.bytes); };
    ASSERT_TRUE(read_log_file(file.path, hooks));
    EXPECT_EQ(writer.take(), content_of(file.path));
  }
}

// A kill leaves the log cut off anywhere in its last write; a start takes what stands before.
TEST_F(LogJudgementTest, a_log_that_is_cut_off_anywhere_is_no_loss) {
  write(0, 6);
  const std::filesystem::path log = place_of("value-3").first;
  const std::string whole = content_of(log);
  const std::size_t last = whole.find("value-5");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    replace_content(log, whole.substr(0, size));
    const LogJudgement found = judgement();
    ASSERT_EQ(found.losses_in_all, 0u) << size;
    ASSERT_TRUE(found.unfinished_file.empty() || found.is_cut_short) << size;
  }
  replace_content(log, whole.substr(0, last));
  const auto database = open();
  ASSERT_TRUE(database) << database.error().detail;
  EXPECT_TRUE(has_row(**database, 4));
  EXPECT_FALSE(has_row(**database, 5));
  EXPECT_THAT(unfinished_text((*database)->log_found()), HasSubstr("cut off"));
}

TEST_F(LogJudgementTest, a_flipped_bit_anywhere_before_the_last_record_is_a_loss) {
  write(0, 4);
  const std::filesystem::path log = place_of("value-1").first;
  const std::string whole = content_of(log);
  std::size_t last = 0;
  LogFileHooks hooks;
  hooks.on_record = [&](const LogRecord& record) { last = record.offset; };
  ASSERT_TRUE(read_log_file(log, hooks));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] ^= 0x20;
    replace_content(log, bytes);
    const LogJudgement found = judgement();
    if (at < last) {
      ASSERT_EQ(found.losses_in_all, 1u) << at;
    } else {  // nothing says that it was not the power
      ASSERT_EQ(found.losses_in_all, 0u) << at;
      ASSERT_FALSE(found.unfinished_file.empty()) << at;
    }
  }
}

TEST_F(LogJudgementTest, damage_in_the_middle_keeps_the_store_closed_and_is_named) {
  write(0, 6);
  flip("value-2");
  for (int twice = 0; twice < 2; ++twice) {
    const auto database = open();
    ASSERT_FALSE(database);
    EXPECT_EQ(database.error().code, Errc::storage_failed);
    EXPECT_THAT(database.error().detail, HasSubstr(place_of("value-4").first.filename().string()));
    EXPECT_THAT(database.error().detail, HasSubstr("up to 1 change "));
    EXPECT_THAT(database.error().detail, HasSubstr("--accept-damage"));
  }
}

// RocksDB passes over zeros without a word.
TEST_F(LogJudgementTest, a_page_of_zeros_in_the_middle_is_a_loss) {
  write(0, 300, 500);
  const auto [log, at] = place_of("value-100v");
  std::string bytes = content_of(log);
  const std::size_t block = at / 32'768 * 32'768;
  bytes.replace(block, 32'768, std::string(32'768, '\0'));
  replace_content(log, bytes);
  const LogJudgement found = judgement();
  EXPECT_EQ(found.losses_in_all, 1u);
  EXPECT_GT(found.changes_lost, 40u);
  EXPECT_FALSE(open());
}

TEST_F(LogJudgementTest, an_unfinished_write_that_an_earlier_start_left_behind_is_no_loss) {
  write(0, 3);
  for (int start = 1; start < 4; ++start) {
    const std::filesystem::path log = log_files(path()).back().path;
    const std::string bytes = content_of(log);
    replace_content(log, bytes.substr(0, bytes.size() - 5));
    write(10 * start, 3);
  }
  const auto database = open();
  ASSERT_TRUE(database) << database.error().detail;
  for (const int row : {0, 1, 10, 11, 20, 21, 30, 31, 32}) EXPECT_TRUE(has_row(**database, row)) << row;
}

TEST_F(LogJudgementTest, a_file_that_is_missing_in_the_middle_is_a_loss) {
  for (int i = 0; i < 3; ++i) write(10 * i, 3);
  std::filesystem::remove(place_of("value-11").first);
  const LogJudgement found = judgement();
  EXPECT_EQ(found.losses_in_all, 1u);
  EXPECT_EQ(found.changes_lost, 3u);
  EXPECT_FALSE(open());
}

TEST_F(LogJudgementTest, a_store_without_any_log_is_a_loss) {
  write(0, 3);
  {
    const auto database = open();
    ASSERT_TRUE(database);
    for (auto* family : {(*database)->base(), (*database)->twin()})
      ASSERT_TRUE((*database)->db().Flush(rocksdb::FlushOptions(), family).ok());
  }
  for (const LogFile& file : log_files(path())) std::filesystem::remove(file.path);
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("log is missing"));
  const auto database = open(1);
  ASSERT_TRUE(database) << database.error().detail;
  EXPECT_TRUE(has_row(**database, 2));
}

TEST_F(LogJudgementTest, a_store_that_lost_its_format_is_not_made_anew) {
  write(0, 3);
  for (const LogFile& file : log_files(path())) std::filesystem::remove(file.path);
  const auto refused = open(1);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("format is lost"));
}

TEST_F(LogJudgementTest, a_log_that_ends_before_the_tables_is_a_loss_unless_durability_is_os) {
  {
    const auto database = open();
    ASSERT_TRUE(database);
    rocksdb::DB& db = (*database)->db();
    ASSERT_TRUE(db.Put({}, (*database)->twin(), "row-1", "value-1").ok());
    ASSERT_TRUE(db.Put({}, (*database)->twin(), "row-2", "value-2").ok());
    ASSERT_TRUE(db.Put({}, (*database)->hub(), "row-3", "value-3").ok());
    ASSERT_TRUE(db.Flush(rocksdb::FlushOptions(), (*database)->hub()).ok());
  }
  const auto [log, at] = place_of("value-2");
  std::size_t last = 0;
  LogFileHooks hooks;
  hooks.on_record = [&, at = at](const LogRecord& record) {
    if (record.offset < at) last = record.offset;
  };
  ASSERT_TRUE(read_log_file(log, hooks));
  std::filesystem::resize_file(log, last);
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("ends before"));
  const auto database = open(0, Durability::os);
  ASSERT_TRUE(database) << database.error().detail;
  EXPECT_TRUE(has_row(**database, 1));
  EXPECT_FALSE(has_row(**database, 2));
  EXPECT_EQ((*database)->log_found().changes_lost, 2u);  // one of them is in a table
}

TEST_F(LogJudgementTest, a_file_that_is_needed_no_more_may_be_anything) {
  write(0, 3);
  {
    const auto database = open();
    ASSERT_TRUE(database);
    for (auto* family : {(*database)->base(), (*database)->twin()})
      ASSERT_TRUE((*database)->db().Flush(rocksdb::FlushOptions(), family).ok());
    ASSERT_TRUE((*database)->db().Put({}, (*database)->twin(), "row-3", "value-3").ok());
  }
  replace_content(path() / "000001.log", std::string(5'000, 'x'));
  const auto database = open();
  ASSERT_TRUE(database) << database.error().detail;
  EXPECT_TRUE(has_row(**database, 2));
}

TEST_F(LogJudgementTest, accepted_damage_costs_what_is_damaged_and_nothing_else) {
  for (int i = 0; i < 3; ++i) write(10 * i, 6);
  flip("value-12");
  flip("value-3");
  const std::uint64_t acceptance = judgement().acceptance;
  EXPECT_FALSE(open(acceptance - 1));
  EXPECT_FALSE(open(acceptance + 1));
  const std::string damaged = content_of(place_of("value-11").first);
  const std::string name = place_of("value-11").first.filename();
  for (const std::uint64_t accept : {acceptance, std::uint64_t{0}}) {  // the second start is as any other
    const auto database = open(accept);
    ASSERT_TRUE(database) << database.error().detail;
    for (const int row : {0, 1, 2, 4, 5, 10, 11, 13, 14, 15, 20, 25})
      EXPECT_TRUE(has_row(**database, row)) << row;
    for (const int row : {3, 12}) EXPECT_FALSE(has_row(**database, row)) << row;
    EXPECT_EQ((*database)->log_found().changes_lost, accept == 0 ? 0u : 2u);
  }
  EXPECT_EQ(content_of(damaged_folder(path()) / name), damaged);
  write(30, 1);
  flip("value-30");
  write(31, 1);  // the end of a log is no damage that can be told
}

TEST_F(LogJudgementTest, accepted_damage_is_said_of_the_next_damage_again) {
  write(0, 3);
  flip("value-1");
  const std::uint64_t acceptance = judgement().acceptance;
  ASSERT_TRUE(open(acceptance));
  write(10, 3);
  flip("value-11");
  EXPECT_FALSE(open(acceptance));
}

TEST_F(LogJudgementTest, the_count_of_devices_fits_what_is_left) {
  {
    const auto database = open();
    ASSERT_TRUE(database);
    for (const char* device : {"d1", "d2", "d3"}) {
      IdentityRecord record;
      record.id = {device, ""};
      if (record.id.device == "d3") record.status = IdentityStatus::disabled;
      ASSERT_TRUE((*database)
                      ->db()
                      .Put({}, (*database)->identity(), keys::of_identity(record.id), encode_identity(record))
                      .ok());
    }
    ASSERT_TRUE((*database)->db().Put({}, std::string(keys::kIdentityCounts), encode_counts({3, 1})).ok());
  }
  flip(std::string("d2") + '\0');
  const auto database = open(judgement().acceptance);
  ASSERT_TRUE(database) << database.error().detail;
  std::string counts;
  ASSERT_TRUE((*database)->db().Get({}, std::string(keys::kIdentityCounts), &counts).ok());
  EXPECT_EQ(decode_counts(counts).value(), (IdentityCounts{2, 1}));
}

}  // namespace
}  // namespace kyanite
