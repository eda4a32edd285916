#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>

#include "storage/rocksdb/c2d_store.h"
#include "storage/rocksdb/identity_store.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/rocksdb_stores.h"
#include "storage/rocksdb/staged_group.h"
#include "tests/support/store_helpers.h"

// Rows of queues on disk: what the contract suite cannot see through the interfaces.
namespace kyanite {
namespace {

class C2dRows : public testing::Test {
 protected:
  void open_stores() {
    RocksdbHooks hooks;
    hooks.free_bytes = [this] { return free_bytes_.load(); };
    hooks.housekeeping_interval = milliseconds(10);
    auto opened = open_rocksdb_stores(path(), Settings::Storage{}, std::move(hooks));
    ASSERT_TRUE(opened) << opened.error().detail;
    stores_ = std::move(*opened);
  }
  void close_stores() {
    stores_->close();
    stores_.reset();
  }
  std::unique_ptr<Database> open_database() {
    auto opened = Database::open(path(), {});
    KYANITE_ASSERT(opened.has_value());
    return std::move(*opened);
  }
  static std::size_t rows(Database& database, rocksdb::ColumnFamilyHandle* family) {
    const std::unique_ptr<rocksdb::Iterator> row(database.db().NewIterator(rocksdb::ReadOptions(), family));
    std::size_t count = 0;
    for (row->SeekToFirst(); row->Valid(); row->Next()) ++count;
    return count;
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  TemporaryDirectory directory_;
  ManualExecutor home_;
  std::atomic<std::uint64_t> free_bytes_ = UINT64_MAX;
  std::unique_ptr<Stores> stores_;
};

TEST_F(C2dRows, nothing_of_an_erased_device_or_of_settled_messages_stays_in_any_family) {
  open_stores();
  for (const char* id : {"erased", "settled"}) {
    ASSERT_TRUE(create(home_, *stores_, make_identity(id)));
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
      ASSERT_TRUE(append_message(home_, *stores_, make_message(id, sequence)));
    }
  }
  ASSERT_TRUE(settle(home_, *stores_, {"settled", {1, 2, 3, 4, 5}, {}, {}}));
  ASSERT_TRUE(await<void>(home_, [&](Reply<void> reply) {
    stores_->sessions().put({{"erased", ""}, {{"a", 1, kNever}}}, std::move(reply));
  }));
  ASSERT_TRUE(erase(home_, *stores_, {"erased", ""}));
  close_stores();
  const auto database = open_database();
  for (auto* family : {database->c2d_body(), database->c2d_expiry(), database->session()}) {
    EXPECT_EQ(rows(*database, family), 0u) << family->GetName();
  }
  EXPECT_EQ(rows(*database, database->c2d()), 1u);  // where the settled queue goes on
  EXPECT_EQ(rows(*database, database->twin()), 1u);
  EXPECT_EQ(rows(*database, database->identity()), 1u);
}

TEST_F(C2dRows, loading_a_device_reads_no_body) {
  open_stores();
  ASSERT_TRUE(create(home_, *stores_, make_identity("d")));
  ASSERT_TRUE(append_message(home_, *stores_, make_message("d", 1)));
  close_stores();
  {
    const auto database = open_database();
    ASSERT_TRUE(database->db()
                    .Put(rocksdb::WriteOptions(), database->c2d_body(), keys::of_message("d", 1), "damaged")
                    .ok());
  }
  open_stores();
  EXPECT_EQ(load(home_, *stores_, "d")->c2d.size(), 1u);
  EXPECT_EQ(read_messages(home_, *stores_, "d").error().code, Errc::storage_failed);
}

TEST_F(C2dRows, a_header_without_its_body_is_told_as_damage) {
  open_stores();
  ASSERT_TRUE(create(home_, *stores_, make_identity("d")));
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    ASSERT_TRUE(append_message(home_, *stores_, make_message("d", sequence)));
  }
  close_stores();
  {
    const auto database = open_database();
    ASSERT_TRUE(
        database->db().Delete(rocksdb::WriteOptions(), database->c2d_body(), keys::of_message("d", 2)).ok());
  }
  open_stores();
  EXPECT_EQ(read_messages(home_, *stores_, "d").error().code, Errc::storage_failed);
  EXPECT_EQ(read_messages(home_, *stores_, "d", 1, 1)->size(), 1u);
}

TEST_F(C2dRows, an_erasure_that_meets_a_damaged_message_adds_nothing_to_the_group) {
  const auto database = open_database();
  StagedGroup group(*database, {});
  ASSERT_TRUE(
      database->db().Put(rocksdb::WriteOptions(), database->c2d(), keys::of_message("d", 2), "damaged").ok());
  group.c2d().append("d", make_message("d", 1).header, "body");
  const auto before = group.batch().Count();
  EXPECT_TRUE(group.c2d().find("d", 1).value().has_value());
  EXPECT_FALSE(group.c2d().find("d", 2));
  EXPECT_FALSE(group.c2d().all("d"));
  IdentityChange change;
  change.erases.push_back({{"d", ""}});
  change.events.push_back(make_append(0, "d", 0, "deleted", false));
  EXPECT_FALSE(stage_identity_change(group, change));
  EXPECT_EQ(group.batch().Count(), before);
  EXPECT_TRUE(group.events().empty());
}

TEST_F(C2dRows, settling_goes_on_while_a_disk_nearly_full_refuses_what_fills_it) {
  open_stores();
  ASSERT_TRUE(create(home_, *stores_, make_identity("d")));
  ASSERT_TRUE(append_message(home_, *stores_, make_message("d", 1)));
  free_bytes_ = 0;
  StorePressure heard = StorePressure::none;
  stores_->on_pressure_change(home_, [&](StorePressure pressure) { heard = pressure; });
  ASSERT_TRUE(home_.run_until([&] { return heard == StorePressure::disk_low; }));
  EXPECT_EQ(append_message(home_, *stores_, make_message("d", 2)).error().code, Errc::busy);
  EXPECT_EQ(put_twin(home_, *stores_, {{"d", ""}, TwinRecord{}, 2, {}}).error().code, Errc::busy);
  const FeedbackRecord feedback{0, "m1", kNever, FeedbackStatus::success, "d", "1"};
  EXPECT_TRUE(settle(home_, *stores_, {"d", {1}, {}, {feedback}}));
  EXPECT_TRUE(
      await<void>(home_, [&](Reply<void> reply) { stores_->feedback().erase({1}, std::move(reply)); }));
  EXPECT_TRUE(read_messages(home_, *stores_, "d")->empty());
}

TEST(C2dKeys, keys_sort_by_sequence_and_expiry_and_give_back_what_was_put_in) {
  EXPECT_LT(keys::next_message("d"), keys::of_message("d", 0));
  EXPECT_LT(keys::of_message("d", 255), keys::of_message("d", 256));
  EXPECT_LT(keys::of_message("d", UINT64_MAX), keys::after_device("d"));
  EXPECT_EQ(keys::message_sequence(keys::of_message("d", 77), "d"), 77u);
  EXPECT_FALSE(keys::message_sequence(keys::next_message("d"), "d"));
  const std::string late = keys::of_expiry(WallTime(milliseconds(256)), keys::of_message("a", 1));
  const std::string early = keys::of_expiry(WallTime(milliseconds(255)), keys::of_message("z", 1));
  EXPECT_LT(early, late);
  EXPECT_EQ(keys::device_of_expiry(early), "z");
  EXPECT_FALSE(keys::device_of_expiry("short"));
  EXPECT_EQ(keys::of_expiry(WallTime(milliseconds(-5))), keys::of_expiry(kNever));
}

}  // namespace
}  // namespace kyanite
