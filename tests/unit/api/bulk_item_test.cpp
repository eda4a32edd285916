#include "server/api/bulk_item.h"

#include <gtest/gtest.h>

#include "server/hub/identity_rules.h"
#include "server/hub/twin_record.h"

namespace kyanite::test {
namespace {

constexpr WallTime kNow{std::chrono::milliseconds(1'790'000'000'000)};

RegistryItem parsed(const std::string& text) { return parse_registry_item(parse_json(text).value()).value(); }

TEST(BulkItem, knows_which_members_it_names) {
  const RegistryItem bare = parsed(R"({"id":"a","status":null,"importMode":null})");
  EXPECT_EQ(bare.mode, ImportMode::create_or_update);
  EXPECT_FALSE(bare.named.status || bare.named.authentication || bare.names_twin());
  const RegistryItem full = parsed(R"({"ID":"a","Status":"Disabled","authentication":{"type":"sas"},
                                       "capabilities":{},"deviceScope":"","parentScopes":[]})");
  EXPECT_TRUE(full.named.status && full.named.authentication && full.named.capabilities &&
              full.named.device_scope && full.named.parent_scopes);
  EXPECT_EQ(full.wanted.status, IdentityStatus::disabled);
}

TEST(BulkItem, every_mode_has_a_name_that_ignores_case) {
  for (int i = 0; i <= static_cast<int>(ImportMode::update_twin_if_match); ++i) {
    const auto mode = static_cast<ImportMode>(i);
    EXPECT_EQ(import_mode_from_text(to_text(mode)), mode);
  }
  EXPECT_EQ(import_mode_from_text("DELETEIFMATCHETAG"), ImportMode::erase_if_match);
  EXPECT_EQ(import_mode_from_text("Upsert"), std::nullopt);
}

TEST(BulkItem, what_is_exported_is_read_back) {
  IdentityRecord wanted;
  wanted.id = {"e", ""};
  wanted.iot_edge = true;
  wanted.status = IdentityStatus::disabled;
  wanted.status_reason = "why";
  wanted.parent_scopes = {"ms-azure-iot-edge://p-1"};
  const IdentityRecord record = create_record(wanted, kNow);
  const TwinRecord twin =
      initial_twin({Json{{"x", 1}}, Json{{"p", {{"q", 2}}}}, Json{{"r", 3}}}, kNow).value();
  const Json line = registry_item_to_json(record, twin, true).value();
  const RegistryItem item = parsed(dump_json(line));
  ASSERT_FALSE(item.fault) << item.fault->detail;
  const IdentityRecord again = create_record(item.wanted, kNow, true);
  EXPECT_EQ(again.primary_key, record.primary_key);
  EXPECT_EQ(again.device_scope, record.device_scope);
  EXPECT_EQ(again.parent_scopes, record.parent_scopes);
  EXPECT_EQ(again.status_reason, "why");
  EXPECT_EQ(item.tags->dump(), R"({"x":1})");
  EXPECT_EQ(item.desired->dump(), R"({"p":{"q":2}})");
  EXPECT_EQ(item.reported->dump(), R"({"r":3})");
}

TEST(BulkItem, keys_may_be_left_out_of_an_export) {
  IdentityRecord wanted;
  wanted.id = {"a", "m"};
  wanted.managed_by = "me";
  const Json line = registry_item_to_json(create_record(wanted, kNow), new_twin(kNow), false).value();
  EXPECT_TRUE(line["authentication"]["symmetricKey"]["primaryKey"].is_null());
  EXPECT_EQ(line["moduleId"], "m");
  EXPECT_EQ(line["managedBy"], "me");
  EXPECT_FALSE(line.contains("status") || line.contains("capabilities"));
}

}  // namespace
}  // namespace kyanite::test
