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
  StagedGroup group(**database, IdentityCounts{});
  IdentityChange change;
  change.writes.push_back(creation(make_identity("d")));
  change.erases.push_back({{"d", "m"}, false});
  EXPECT_FALSE(stage_identity_change(group, change));
  EXPECT_EQ(group.batch().Count(), 0);
  EXPECT_EQ(group.counts().devices, 0u);
}

TEST(IdentityStaging, a_device_erased_is_counted_out_once) {
  const TemporaryDirectory directory;
  const auto database = Database::open(directory.path() / "store", {});
  ASSERT_TRUE(database);
  StagedGroup group(**database, IdentityCounts{});
  IdentityChange made;
  made.writes.push_back(creation(make_identity("d")));
  made.writes.push_back(creation(make_identity("d", "m")));
  ASSERT_TRUE(stage_identity_change(group, made));
  EXPECT_EQ(group.counts().devices, 1u);
  IdentityChange erased;
  erased.erases.push_back({{"d", ""}, false});
  ASSERT_TRUE(stage_identity_change(group, erased));
  EXPECT_EQ(group.counts().devices, 0u);
  EXPECT_TRUE(group.keys_of_device("d")->empty());
}

}  // namespace
}  // namespace kyanite
