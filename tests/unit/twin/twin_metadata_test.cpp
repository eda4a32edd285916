#include "protocol/twin/twin_metadata.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

const WallTime kMonday{milliseconds{1767607201123}};  // 2026-01-05T10:00:01.123Z
const WallTime kTuesday{milliseconds{1767693601000}};

TwinMetadata touched(TwinMetadata metadata, std::string_view patch, TwinStamp stamp) {
  metadata.touch(*parse_json(patch), stamp);
  return metadata;
}

TEST(TwinMetadata, stamps_every_object_and_leaf_that_a_patch_names) {
  EXPECT_EQ(dump_json(touched({}, R"({"a":{"b":1}})", {kMonday, 4}).to_json()),
            R"({"$lastUpdated":"2026-01-05T10:00:01.1230000Z","$lastUpdatedVersion":4,)"
            R"("a":{"$lastUpdated":"2026-01-05T10:00:01.1230000Z","$lastUpdatedVersion":4,)"
            R"("b":{"$lastUpdated":"2026-01-05T10:00:01.1230000Z","$lastUpdatedVersion":4}}})");
}

TEST(TwinMetadata, stamps_the_ancestors_and_leaves_the_others_alone) {
  TwinMetadata metadata = touched({}, R"({"a":{"b":1,"c":2},"d":3})", {kMonday, 2});
  metadata.touch(*parse_json(R"({"a":{"c":5}})"), {kTuesday, 3});
  const Json json = metadata.to_json();
  EXPECT_EQ(json["$lastUpdatedVersion"], 3);
  EXPECT_EQ(json["a"]["$lastUpdatedVersion"], 3);
  EXPECT_EQ(json["a"]["c"]["$lastUpdatedVersion"], 3);
  EXPECT_EQ(json["a"]["b"]["$lastUpdatedVersion"], 2);
  EXPECT_EQ(json["d"]["$lastUpdated"], "2026-01-05T10:00:01.1230000Z");
}

TEST(TwinMetadata, shows_no_versions_without_one) {
  EXPECT_EQ(dump_json(touched({}, "{}", {kMonday, 0}).to_json()),
            R"({"$lastUpdated":"2026-01-05T10:00:01.1230000Z"})");
}

TEST(TwinMetadata, names_the_configuration_that_wrote) {
  TwinMetadata metadata = touched({}, R"({"a":{"b":1},"c":2})", {kMonday, 2});
  const auto author = std::make_shared<const TwinAuthor>(TwinAuthor{"it's", "AAA="});
  metadata.touch(*parse_json(R"({"a":{"b":2,"d":{}}})"), {kTuesday, 3, author});
  const Result<TwinMetadata> read = TwinMetadata::decode(metadata.encode());
  ASSERT_TRUE(read);
  const Json json = read->to_json();
  EXPECT_EQ(json, metadata.to_json());
  EXPECT_EQ(json["$lastUpdatedBy"], "it's");
  EXPECT_EQ(json["a"]["b"]["$lastUpdatedBy"], "it's");
  EXPECT_EQ(json["a"]["d"]["$lastUpdatedByDigest"], "AAA=");
  EXPECT_FALSE(json["c"].contains("$lastUpdatedBy"));
  for (const char* bad : {R"([1,2,["a"]])", R"([1,2,["a",3]])", R"([1,2,{},["a","b"]])",
                          R"([1,2,["a","b"],3])", R"([1,2,["a","b"],{},{}])"}) {
    EXPECT_FALSE(TwinMetadata::decode(bad)) << bad;
  }
}

TEST(TwinMetadata, deleted_members_vanish) {
  TwinMetadata metadata = touched({}, R"({"a":{"b":1,"c":2},"d":3,"e":4})", {kMonday, 2});
  metadata.touch(*parse_json(R"({"a":{"b":null},"d":null,"never":null})"), {kTuesday, 3});
  const Json json = metadata.to_json();
  EXPECT_FALSE(json["a"].contains("b"));
  EXPECT_TRUE(json["a"].contains("c"));
  EXPECT_FALSE(json.contains("d"));
  EXPECT_FALSE(json.contains("never"));
  EXPECT_EQ(json["e"]["$lastUpdatedVersion"], 2);
}

TEST(TwinMetadata, an_array_is_one_leaf) {
  const Json json = touched({}, R"({"a":[{"b":1},2]})", {kMonday, 2}).to_json();
  EXPECT_EQ(json["a"].size(), 2u);
}

TEST(TwinMetadata, a_leaf_in_place_of_an_object_has_no_members_left) {
  TwinMetadata metadata = touched({}, R"({"a":{"b":1}})", {kMonday, 2});
  metadata.touch(*parse_json(R"({"a":[1]})"), {kTuesday, 3});
  EXPECT_EQ(metadata.to_json()["a"].size(), 2u);
}

TEST(TwinMetadata, shows_the_part_that_a_patch_names) {
  TwinMetadata metadata = touched({}, R"({"a":{"b":1,"c":2},"d":3})", {kMonday, 0});
  EXPECT_EQ(
      dump_json(metadata.to_json(*parse_json(R"({"a":{"c":0},"gone":null})"))),
      R"({"$lastUpdated":"2026-01-05T10:00:01.1230000Z","a":{"$lastUpdated":"2026-01-05T10:00:01.1230000Z",)"
      R"("c":{"$lastUpdated":"2026-01-05T10:00:01.1230000Z"}}})");
}

TEST(TwinMetadata, is_read_as_it_was_stored) {
  const TwinMetadata metadata = touched({}, R"({"a":{"\"\\é":1,"":[1]},"d":3})", {kMonday, 7});
  const std::string text = metadata.encode();
  EXPECT_EQ(
      text,
      "[1767607201123,7,{\"a\":[1767607201123,7,{\"\\\"\\\\é\":[1767607201123,7],\"\":[1767607201123,7]}],"
      "\"d\":[1767607201123,7]}]");
  const Result<TwinMetadata> again = TwinMetadata::decode(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->to_json(), metadata.to_json());
}

TEST(TwinMetadata, refuses_other_text) {
  for (const char* text :
       {"", "{}", "[]", "[1]", "[1,2,3]", "[1,2,{\"a\":1}]", "[\"1\",2]", "[1,2,{},4]", "[1,-2]"})
    EXPECT_FALSE(TwinMetadata::decode(text)) << text;
}

}  // namespace
}  // namespace kyanite
