#include "protocol/base/json_limits.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, keeps_members_in_the_order_written) {
  const auto json = parse_json(R"({"b":1,"a":[true,null,"x"]})");
  ASSERT_TRUE(json);
  EXPECT_EQ(dump_json(*json), R"({"b":1,"a":[true,null,"x"]})");
}

TEST(ParseJson, reads_scalars) {
  EXPECT_EQ(parse_json(" 17 ")->get<int>(), 17);
  EXPECT_TRUE(parse_json("null")->is_null());
}

TEST(ParseJson, skips_a_byte_order_mark) { EXPECT_TRUE(parse_json("\xef\xbb\xbf{}")); }

TEST(ParseJson, refuses_bad_syntax) {
  for (const auto text :
       {"", " ", "{", "{bad", "[1,]", "{\"a\":1,}", "01", "'a'", "1 2", "nul", "{\"a\" 1}", "\"a"}) {
    const auto json = parse_json(text);
    ASSERT_FALSE(json) << text;
    EXPECT_EQ(json.error().code, Errc::format_error);
  }
}

TEST(ParseJson, refuses_text_that_is_not_utf8) {
  EXPECT_FALSE(parse_json("\"\xff\""));
  EXPECT_FALSE(parse_json("\"\xed\xa0\x80\""));
}

TEST(ParseJson, bounds_nesting) {
  EXPECT_TRUE(parse_json(nested(limits::kJsonDepthMax)));
  EXPECT_FALSE(parse_json(nested(limits::kJsonDepthMax + 1)));
  EXPECT_FALSE(parse_json(nested(100000)));
  EXPECT_FALSE(parse_json(std::string(100000, '[')));
  EXPECT_FALSE(parse_json(R"({"a":{"b":{}}})", 2));
  EXPECT_TRUE(parse_json(R"({"a":{"b":1},"c":[2]})", 2));
}

std::string object_of(std::size_t members) {
  std::string text = "{";
  for (std::size_t i = 0; i < members; ++i) text += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":{\"a\":1}";
  return text + "}";
}

TEST(ParseJson, bounds_the_members_of_an_object) {
  EXPECT_TRUE(parse_json(object_of(limits::kJsonMembersMax)));
  EXPECT_FALSE(parse_json(object_of(limits::kJsonMembersMax + 1)));
  EXPECT_TRUE(parse_json("[" + object_of(3000) + "," + object_of(3000) + "]"));
}

TEST(ParseJson, of_members_with_one_name_the_last_wins_at_the_place_of_the_first) {
  EXPECT_EQ(dump_json(*parse_json(R"({"a":1,"b":2,"a":3,"c":4,"a":{"x":5,"x":6}})")),
            R"({"a":{"x":6},"b":2,"c":4})");
}

TEST(ParseJson, reads_every_kind_of_value) {
  const char* text = R"({"a":[null,true,-1,2,1.5,"x\n",[],{}],"b":{"c":{"d":[{"e":1},{"f":2}]}},"g":""})";
  EXPECT_EQ(dump_json(*parse_json(text)), text);
  EXPECT_EQ(dump_json(*parse_json("\"x\"")), "\"x\"");
}

TEST(ParseJson, keeps_or_refuses_integers_beyond_64_bits) {
  EXPECT_TRUE(parse_json("18446744073709551616")->is_number_float());
  EXPECT_FALSE(parse_json("[18446744073709551616]", 4, HugeIntegers::refused));
  EXPECT_TRUE(parse_json("[18446744073709551615,1e20]", 4, HugeIntegers::refused));
  EXPECT_FALSE(parse_json("1e999"));
}

TEST(DumpJson, replaces_bytes_that_are_not_utf8) { EXPECT_EQ(dump_json(Json("a\xff")), "\"a\xef\xbf\xbd\""); }

TEST(FindMember, ignores_case) {
  const Json object = {{"deviceId", "d1"}};
  ASSERT_NE(find_member(object, "DEVICEID"), nullptr);
  EXPECT_EQ(*find_member(object, "DEVICEID"), "d1");
  EXPECT_EQ(find_member(object, "device"), nullptr);
}

TEST(FindMember, finds_nothing_in_other_values) {
  EXPECT_EQ(find_member(Json::array({1}), "a"), nullptr);
  EXPECT_EQ(find_member(Json(nullptr), "a"), nullptr);
}

}  // namespace
}  // namespace kyanite
