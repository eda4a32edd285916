#include "protocol/twin/twin_document.h"

#include <gtest/gtest.h>

#include <string>

namespace kyanite {
namespace {

const WallTime kToday{milliseconds{1767607201123}};

Json parsed(std::string_view text) { return *parse_json(text); }

struct Counters {
  std::uint64_t version, etag, desired, reported;
  friend bool operator==(const Counters&, const Counters&) = default;
};
Counters counters(const TwinDocument& twin) {
  return {twin.version, twin.etag_counter, twin.desired.version, twin.reported.version};
}

TEST(TwinDocument, R62_begins_with_version_two_and_sections_at_one) {
  EXPECT_EQ(counters(TwinDocument()), (Counters{2, 1, 1, 1}));
}

TEST(TwinDocument, R63_tags_move_the_version_and_the_etag) {
  TwinDocument twin;
  ASSERT_TRUE(twin.merge({parsed(R"({"site":1})"), std::nullopt}, kToday));
  EXPECT_EQ(counters(twin), (Counters{3, 2, 1, 1}));
}

TEST(TwinDocument, R63_desired_moves_its_version_too_and_stamps_it) {
  TwinDocument twin;
  const auto change = twin.merge({std::nullopt, parsed(R"({"x":1})")}, kToday);
  ASSERT_TRUE(change);
  EXPECT_EQ(counters(twin), (Counters{3, 2, 2, 1}));
  EXPECT_EQ(twin.desired.metadata->to_json()["x"]["$lastUpdatedVersion"], 2);
  EXPECT_FALSE(change->tags);
}

TEST(TwinDocument, both_sections_in_one_request_count_once) {
  TwinDocument twin;
  ASSERT_TRUE(twin.merge({parsed("{}"), parsed("{}")}, kToday));
  EXPECT_EQ(counters(twin), (Counters{3, 2, 2, 1}));
}

TEST(TwinDocument, R64_reported_leaves_the_etag_alone) {
  TwinDocument twin;
  ASSERT_TRUE(twin.patch_reported(parsed(R"({"a":1})"), kToday));
  EXPECT_EQ(counters(twin), (Counters{3, 1, 1, 2}));
  EXPECT_FALSE(twin.reported.metadata->to_json().contains("$lastUpdatedVersion"));
}

TEST(TwinDocument, an_empty_patch_counts) {
  TwinDocument twin;
  ASSERT_TRUE(twin.patch_reported(parsed("{}"), kToday));
  EXPECT_EQ(twin.reported.version, 2u);
}

TEST(TwinDocument, a_patch_of_no_section_changes_nothing) {
  TwinDocument twin;
  const auto change = twin.merge({}, kToday);
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->is_empty());
  EXPECT_EQ(counters(twin), (Counters{2, 1, 1, 1}));
}

TEST(TwinDocument, null_empties_a_section_and_names_what_it_held) {
  TwinDocument twin;
  ASSERT_TRUE(twin.merge({parsed(R"({"t":1})"), parsed(R"({"a":1,"b":{"c":2}})")}, kToday));
  const auto change = twin.merge({Json(nullptr), Json(nullptr)}, kToday);
  ASSERT_TRUE(change);
  EXPECT_EQ(dump_json(*change->desired), R"({"a":null,"b":null})");
  EXPECT_EQ(dump_json(twin.tags), "{}");
  EXPECT_EQ(dump_json(twin.desired.values), "{}");
  EXPECT_FALSE(twin.desired.metadata->to_json().contains("a"));
}

TEST(TwinDocument, R68_a_replacement_empties_what_it_does_not_name_and_keeps_reported) {
  TwinDocument twin;
  ASSERT_TRUE(twin.merge({parsed(R"({"t":1})"), parsed(R"({"a":1})")}, kToday));
  ASSERT_TRUE(twin.patch_reported(parsed(R"({"r":1})"), kToday));
  const auto change = twin.replace({parsed(R"({"u":2})"), std::nullopt}, kToday);
  ASSERT_TRUE(change);
  EXPECT_EQ(dump_json(twin.tags), R"({"u":2})");
  EXPECT_EQ(dump_json(twin.desired.values), "{}");
  EXPECT_EQ(dump_json(twin.reported.values), R"({"r":1})");
  EXPECT_EQ(dump_json(*change->desired), R"({"a":null})");
  EXPECT_EQ(counters(twin), (Counters{5, 3, 3, 2}));
}

TEST(TwinDocument, a_replacement_stamps_all_of_its_members) {
  TwinDocument twin;
  ASSERT_TRUE(twin.merge({std::nullopt, parsed(R"({"a":1,"b":2})")}, kToday));
  ASSERT_TRUE(twin.replace({std::nullopt, parsed(R"({"a":1})")}, kToday));
  const Json metadata = twin.desired.metadata->to_json();
  EXPECT_EQ(metadata["a"]["$lastUpdatedVersion"], 3);
  EXPECT_FALSE(metadata.contains("b"));
}

TEST(TwinDocument, an_update_that_would_be_too_large_changes_nothing) {
  TwinDocument twin;
  const auto chunk = [](const std::string& name) {
    Json patch = Json::object();
    for (int i = 0; i < 4; ++i) patch[name + std::to_string(i)] = std::string(4000, 'x');
    return patch;
  };
  ASSERT_TRUE(twin.merge({std::nullopt, chunk("a")}, kToday));
  ASSERT_TRUE(twin.merge({std::nullopt, chunk("b")}, kToday));
  const Json desired = twin.desired.values;
  const auto refused = twin.merge({parsed(R"({"t":1})"), chunk("c")}, kToday);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::message_too_large);
  EXPECT_EQ(dump_json(twin.tags), "{}");
  EXPECT_EQ(twin.desired.values, desired);
  EXPECT_EQ(counters(twin), (Counters{4, 3, 3, 1}));
  EXPECT_FALSE(twin.replace({chunk("t"), std::nullopt}, kToday));
  EXPECT_EQ(counters(twin), (Counters{4, 3, 3, 1}));
}

TEST(TwinDocument, a_large_section_takes_a_patch_that_keeps_it_within_its_limit) {
  TwinDocument twin;
  Json full = Json::object();
  for (int i = 0; i < 8; ++i) full["k" + std::to_string(i)] = std::string(4090, 'x');
  ASSERT_TRUE(twin.patch_reported(full, kToday));
  ASSERT_TRUE(twin.patch_reported(parsed(R"({"k0":"short","k1":null})"), kToday));
  EXPECT_EQ(twin.reported.values["k0"], "short");
  EXPECT_FALSE(twin.patch_reported(full, kToday).has_error());
}

}  // namespace
}  // namespace kyanite
