#include "storage/rocksdb/store_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/record_codec.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/read_only_store.h"
#include "storage/telemetry_log.h"
#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A store with a device, a module and something in every family, written row by row.
class StoreCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    change([](Database& database) {
      for (const Identity& id : {Identity{"d1", ""}, Identity{"d1", "m1"}}) {
        IdentityRecord record;
        record.id = id;
        put(database, database.identity(), keys::of_identity(id), encode_identity(record));
        put(database, database.twin(), keys::of_identity(id), encode_twin({}));
      }
      put(database, database.base(), std::string(keys::kIdentityCounts),
          keys::of_number(1) + keys::of_number(0));
      put(database, database.session(), keys::of_identity({"d1", ""}), encode_session({{"d1", ""}, {}}));
      put(database, database.c2d(), keys::next_message("d1"), keys::of_number(301));
      for (const std::uint64_t sequence : {1, 256, 300}) {  // 256: its key ends as a device's does
        const std::string key = keys::of_message("d1", sequence);
        put(database, database.c2d(), key, encode_c2d_header(header()));
        put(database, database.c2d_body(), key, encode_c2d_message({}));
        put(database, database.c2d_expiry(), keys::of_expiry(header().expiry, key), "");
      }
      put(database, database.base(), std::string(keys::kFeedbackNext), keys::of_number(5));
      put(database, database.feedback(), keys::of_number(4), encode_feedback({}));
      put(database, database.hub(), std::string(keys::kPolicies), encode_policies({}));
      put(database, database.hub(), "ca/plant", encode_ca_certificate({.name = "plant", .der = "x"}));
      put(database, database.document(), keys::of_document(Collection::jobs, "j"), R"({"v":1})");
      for (const std::uint64_t offset : {7, 8, 9})
        put(database, database.telemetry(partition()), keys::of_number(offset), event(1000));
      put(database, database.base(), keys::log_begin(partition()), keys::of_number(7));
    });
  }

  static C2dHeader header() {
    C2dHeader header;
    header.expiry = WallTime(milliseconds(5000));
    return header;
  }
  static std::uint32_t partition() { return partition_of("d1", 4).value; }
  static std::string event(std::int64_t enqueued) {
    const Identity sender{"d1", ""};
    const PropertyBag bag;
    std::string record = encode_telemetry({.sender = sender,
                                           .generation_id = "1",
                                           .auth_method = "{}",
                                           .model_id = "",
                                           .bag = bag,
                                           .body = "x"});
    stamp_telemetry(record, WallTime(milliseconds(enqueued)));
    return record;
  }
  static void put(Database& database, rocksdb::ColumnFamilyHandle* family, const std::string& key,
                  const std::string& value) {
    ASSERT_TRUE(database.db().Put(rocksdb::WriteOptions(), family, key, value).ok());
  }
  static void erase(Database& database, rocksdb::ColumnFamilyHandle* family, const std::string& key) {
    ASSERT_TRUE(database.db().Delete(rocksdb::WriteOptions(), family, key).ok());
  }
  template <class Change>
  void change(Change what) {
    const auto database = Database::open(path(), {});
    ASSERT_TRUE(database) << database.error().detail;
    what(**database);
  }
  // "where: what" of everything that is wrong after the change.
  template <class Change>
  std::vector<std::string> findings_after(Change what) {
    change(what);
    return findings();
  }
  std::vector<std::string> findings() {
    std::vector<std::string> found;
    StoreCheckHooks hooks;
    hooks.on_finding = [&](const std::string& where, const std::string& text) {
      found.push_back(where + ": " + text);
    };
    const auto counts = check_store(path(), hooks);
    EXPECT_TRUE(counts) << counts.error().detail;
    if (counts) counts_ = *counts;
    return found;
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  TemporaryDirectory directory_;
  StoreCounts counts_;
};

TEST_F(StoreCheckTest, a_good_store_is_counted_and_nothing_is_found) {
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_EQ(counts_.devices, 1u);
  EXPECT_EQ(counts_.modules, 1u);
  EXPECT_EQ(counts_.twins, 2u);
  EXPECT_EQ(counts_.c2d_messages, 3u);
  EXPECT_EQ(counts_.feedback, 1u);
  EXPECT_EQ(counts_.documents, 1u);
  EXPECT_EQ(counts_.events, 3u);
}

TEST_F(StoreCheckTest, a_record_that_does_not_decode_is_found) {
  EXPECT_THAT(findings_after([](Database& database) {
                put(database, database.identity(), keys::of_identity({"d1", "m1"}), "\1\1{}");
                put(database, database.twin(), keys::of_identity({"d1", ""}), "nonsense");
                put(database, database.telemetry(partition()), keys::of_number(8), "\1\1short");
                put(database, database.hub(), std::string(keys::kPolicies), "\1\1[");
                put(database, database.document(), keys::of_document(Collection::jobs, "j"), "[]");
                put(database, database.document(), "\x7fx", "{}");
              }),
              AllOf(Contains(HasSubstr("identity d1/m1")), Contains(HasSubstr("twin d1:")),
                    Contains(HasSubstr("@8: ")), Contains(HasSubstr("policies: ")),
                    Contains(HasSubstr("document 0 j: it is no JSON object")),
                    Contains(HasSubstr("its collection is unknown"))));
}

TEST_F(StoreCheckTest, an_identity_without_its_twin_or_device_and_the_other_way_round) {
  EXPECT_THAT(
      findings_after([](Database& database) {
        erase(database, database.identity(), keys::of_identity({"d1", ""}));
        erase(database, database.twin(), keys::of_identity({"d1", "m1"}));
      }),
      AllOf(Contains("identity d1/m1: its device is missing"),
            Contains("identity d1/m1: the twin is missing"), Contains("twin d1: the identity is missing"),
            Contains("session d1: the identity is missing"),
            Contains(HasSubstr("identity counts: the stored numbers")),
            Contains(HasSubstr("queue d1: the device is missing"))));
}

TEST_F(StoreCheckTest, rows_of_a_message_belong_together) {
  const std::string first = keys::of_message("d1", 1), last = keys::of_message("d1", 300);
  EXPECT_THAT(findings_after([&](Database& database) {
                erase(database, database.c2d_body(), first);
                erase(database, database.c2d_expiry(), keys::of_expiry(header().expiry, last));
                put(database, database.c2d_body(), keys::of_message("d1", 99), encode_c2d_message({}));
                put(database, database.c2d(), keys::next_message("d1"), keys::of_number(300));
              }),
              AllOf(Contains(HasSubstr("the body is missing")),
                    Contains(HasSubstr("the row of its expiry is missing")),
                    Contains(HasSubstr("the message is missing")),
                    Contains(HasSubstr("its sequence is not below the queue's next one"))));
}

TEST_F(StoreCheckTest, a_hole_in_the_log_and_a_time_that_goes_back_are_found) {
  EXPECT_THAT(findings_after([](Database& database) {
                erase(database, database.telemetry(partition()), keys::of_number(8));
              }),
              ElementsAre(HasSubstr("@9: 1 events before it are missing")));
  EXPECT_THAT(findings_after([](Database& database) {
                put(database, database.telemetry(partition()), keys::of_number(8), event(999));
              }),
              ElementsAre(HasSubstr("@8: it is older than the one before it")));
  // What lies before the beginning is gone for readers, whatever it is.
  EXPECT_THAT(findings_after([](Database& database) {
                put(database, database.telemetry(partition()), keys::of_number(8), event(1000));
                put(database, database.telemetry(partition()), keys::of_number(2), "nonsense");
              }),
              IsEmpty());
}

TEST_F(StoreCheckTest, the_store_is_read_without_a_byte_written) {
  const auto names = [&] {
    std::vector<std::pair<std::string, std::filesystem::file_time_type>> all;
    for (const auto& entry : std::filesystem::directory_iterator(path()))
      all.emplace_back(entry.path().filename(), entry.last_write_time());
    std::sort(all.begin(), all.end());
    return all;
  };
  const auto before = names();
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_EQ(read_store_facts(path()).value().partitions, 4u);
  EXPECT_EQ(estimate_store(path()).value().devices, 1u);
  EXPECT_EQ(names(), before);
}

TEST_F(StoreCheckTest, what_is_no_store_or_a_newer_one_is_refused) {
  EXPECT_EQ(read_store_facts(directory_.path()).error().code, Errc::io_failed);
  change([](Database& database) {
    put(database, database.base(), std::string(keys::kFormat), encode_format({kFormatVersion + 1, 4}));
  });
  EXPECT_EQ(read_store_facts(path()).error().code, Errc::config_invalid);
}

}  // namespace
}  // namespace kyanite
