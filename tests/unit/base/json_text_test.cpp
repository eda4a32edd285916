#include "protocol/base/json_text.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

std::vector<std::pair<std::string, std::string>> members_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto members = split_json_object(text);
  if (!members) return {{"error", members.error().detail}};
  for (const JsonMember& member : *members) out.emplace_back(member.name, std::string(member.value));
  return out;
}
using Members = std::vector<std::pair<std::string, std::string>>;

TEST(JsonText, values_come_as_they_were_written) {
  EXPECT_EQ(members_of(R"( { "a" : 1.50 , "b":[ 1, {"x":"}]"} ],"c":null,"d":1e2})"),
            (Members{{"a", "1.50"}, {"b", R"([ 1, {"x":"}]"} ])"}, {"c", "null"}, {"d", "1e2"}}));
  EXPECT_EQ(members_of("{\"n\":12345678901234567890123,\n\"t\":true}"),
            (Members{{"n", "12345678901234567890123"}, {"t", "true"}}));
}

TEST(JsonText, quotes_and_backslashes_inside_a_text_do_not_end_it) {
  EXPECT_EQ(members_of(R"({"a\"\\":"x\"y\\","b":"\\\"}","c":2})"),
            (Members{{"a\"\\", R"("x\"y\\")"}, {"b", R"("\\\"}")"}, {"c", "2"}}));
}

TEST(JsonText, names_are_decoded) {
  EXPECT_EQ(members_of(R"({"pay\u006coad":0})"), (Members{{"payload", "0"}}));
}

TEST(JsonText, an_empty_object_and_a_byte_order_mark_are_fine) {
  EXPECT_EQ(members_of("{ }"), Members{});
  EXPECT_EQ(members_of("\xef\xbb\xbf{\"a\":[]}"), (Members{{"a", "[]"}}));
}

TEST(JsonText, a_name_twice_is_two_members) {
  EXPECT_EQ(members_of(R"({"a":1,"a":2})"), (Members{{"a", "1"}, {"a", "2"}}));
}

TEST(JsonText, anything_but_an_object_is_refused) {
  for (const char* text : {"[1]", "1", "\"x\"", "null"}) {
    EXPECT_EQ(members_of(text), (Members{{"error", "not a JSON object"}})) << text;
  }
  for (const char* text :
       {"", "{", "{\"a\"}", "{\"a\":1,}", "{}x", "{'a':1}", "{\"a\":01}", "{\"a\":\"\xff\"}"}) {
    EXPECT_EQ(members_of(text), (Members{{"error", "not valid JSON"}})) << text;
  }
}

TEST(JsonText, the_elements_of_an_array) {
  const std::string_view text = "[ 1, {\"a\":[2]} ,\"]\", [] ]";
  const auto elements = split_json_array(text);
  ASSERT_TRUE(elements);
  EXPECT_EQ(*elements, (std::vector<std::string_view>{"1", "{\"a\":[2]}", "\"]\"", "[]"}));
  EXPECT_TRUE(split_json_array("[]")->empty());
  EXPECT_FALSE(split_json_array("{}"));
  EXPECT_FALSE(split_json_array("[1,]"));
}

TEST(JsonText, where_it_breaks) {
  EXPECT_EQ(find_json_fault("[1,2]"), std::nullopt);
  EXPECT_EQ(find_json_fault("[1\n2]"), 3u);
  EXPECT_EQ(find_json_fault("{} {}"), 3u);
  EXPECT_EQ(find_json_fault("[1"), 2u);
}

TEST(JsonText, nesting_costs_no_stack) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_TRUE(check_json(deep));
  EXPECT_EQ(members_of("{\"a\":" + deep + "}"), (Members{{"a", deep}}));
  EXPECT_FALSE(check_json(deep + "]"));
}

}  // namespace
}  // namespace kyanite
