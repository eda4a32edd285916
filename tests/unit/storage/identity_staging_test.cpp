#include <gtest/gtest.h>

#include "storage/rocksdb/identity_store.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

// The group is committed whatever becomes of one step in it.
TEST(IdentityStaging, a_change_that_meets_a_damaged_row_adds_nothing_to_the_group) {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path() / "store", {});
  ASSERT_TRUE(database);
  rocksdb::DB& db = (*database)->db();
  ASSERT_TRUE(
      db.Put(rocksdb::WriteOptions(), (*database)->identity(), keys::of_identity({"d", "m"}), "damaged")
          .ok());
  StagedGroup group(**database, {});
  IdentityChange change;
  change.writes.push_back(creation(make_identity("d")));
  change.erases.push_back({{"d", "m"}});
  EXPECT_FALSE(stage_identity_change(group, change));
  EXPECT_EQ(group.batch().Count(), 0);
  EXPECT_EQ(group.counts().devices, 0u);
}

TEST(IdentityStaging, a_device_erased_is_counted_out_once) {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path() / "store", {});
  ASSERT_TRUE(database);
  StagedGroup group(**database, {});
  IdentityChange made;
  made.writes.push_back(creation(make_identity("d")));
  made.writes.push_back(creation(make_identity("d", "m")));
  ASSERT_TRUE(stage_identity_change(group, made));
  EXPECT_EQ(group.counts().devices, 1u);
  IdentityChange erased;
  erased.erases.push_back({{"d", ""}});
  ASSERT_TRUE(stage_identity_change(group, erased));
  EXPECT_EQ(group.counts().devices, 0u);
  EXPECT_TRUE(group.keys_of_device("d")->empty());
}

TEST(IdentityStaging, a_change_is_counted_with_its_texts) {
  IdentityChange change;
  change.writes.push_back(creation(make_identity("d")));
  const std::size_t small = estimated_bytes(change);
  change.writes[0].record.parent_scopes = {std::string(3000, 's'), std::string(2000, 's')};
  change.writes[0].new_twin->desired = std::string(8000, ' ');
  EXPECT_GE(estimated_bytes(change), small + 12'900);
}

}  // namespace
}  // namespace kyanite
