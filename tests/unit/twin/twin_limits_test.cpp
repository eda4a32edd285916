#include "protocol/twin/twin_limits.h"

#include <gtest/gtest.h>

#include <string>

namespace kyanite {
namespace {

std::string problem_of(const Json& value, Nulls nulls = Nulls::delete_members) {
  const Result<void> checked = check_section(value, TwinSection::desired, nulls);
  if (checked) return "";
  EXPECT_EQ(checked.error().code, Errc::argument_invalid);
  return checked.error().detail;
}
std::string refusal(std::string_view text, Nulls nulls = Nulls::delete_members) {
  return problem_of(*parse_json(text), nulls);
}

std::string nested_objects(int levels) {
  std::string text = R"({"leaf":1})";
  for (int i = 0; i < levels; ++i) text = R"({"n":)" + text + "}";
  return text;
}

TEST(TwinLimits, the_root_is_an_object) {
  EXPECT_EQ(refusal("[1]"), "desired: must be a JSON object");
  EXPECT_EQ(refusal("null"), "desired: must be a JSON object");
  EXPECT_EQ(refusal("5"), "desired: must be a JSON object");
}

TEST(TwinLimits, B64_R69_keys_hold_no_dot_dollar_white_space_or_control_character) {
  EXPECT_EQ(refusal(R"({"a":{"b.c":1}})"), "desired.a.b.c: the key contains '.'");
  EXPECT_NE(refusal(R"({"$x":1})"), "");
  EXPECT_NE(refusal(R"({"a":{"$version":1}})"), "");
  EXPECT_NE(refusal(R"({"a b":1})"), "");
  EXPECT_NE(refusal("{\"a\\tb\":1}"), "");
  EXPECT_NE(refusal(R"({"a\u0085b":1})"), "");
  EXPECT_NE(refusal(R"({"a\u007fb":1})"), "");
  EXPECT_NE(refusal(R"({"a\u00a0b":1})"), "");
  EXPECT_NE(refusal(R"({"a\u2003b":1})"), "");
  EXPECT_NE(refusal(R"({"a\u3000b":1})"), "");
}

TEST(TwinLimits, other_keys_pass) {
  EXPECT_EQ(refusal(R"({"":1,"#":1,"å∂😀":1,"a-b_c":1,"__t":"c","a/b":{"c;d":1}})"), "");
}

TEST(TwinLimits, a_key_has_at_most_1024_bytes) {
  EXPECT_EQ(problem_of(Json{{std::string(1024, 'k'), 1}}), "");
  EXPECT_NE(problem_of(Json{{std::string(1025, 'k'), 1}}), "");
  std::string wide;
  for (int i = 0; i < 513; ++i) wide += "\xc3\xa5";  // two bytes each
  EXPECT_NE(problem_of(Json{{wide, 1}}), "");
}

TEST(TwinLimits, B64_R69_a_string_has_at_most_4096_bytes) {
  EXPECT_EQ(problem_of(Json{{"a", std::string(4096, 'x')}}), "");
  EXPECT_EQ(problem_of(Json{{"a", std::string(4097, 'x')}}),
            "desired.a: the string is longer than 4096 bytes");
  EXPECT_NE(problem_of(Json{{"a", Json::array({std::string(4097, 'x')})}}), "");
}

TEST(TwinLimits, B64_R69_objects_nest_ten_levels_below_the_section) {
  EXPECT_EQ(refusal(nested_objects(10)), "");
  EXPECT_NE(refusal(nested_objects(11)), "");
  EXPECT_NE(refusal(R"({"a":[)" + nested_objects(10) + "]}"), "");
  EXPECT_EQ(refusal(R"({"a":[)" + nested_objects(9) + "]}"), "");
}

TEST(TwinLimits, arrays_nest_within_a_bound) {
  const auto arrays = [](std::size_t n) {
    return R"({"a":)" + std::string(n, '[') + std::string(n, ']') + "}";
  };
  EXPECT_EQ(refusal(arrays(limits::kTwinNestingMax)), "");
  EXPECT_NE(refusal(arrays(limits::kTwinNestingMax + 1)), "");
}

TEST(TwinLimits, null_deletes_members_of_a_patch_and_is_no_value_of_a_document) {
  EXPECT_EQ(refusal(R"({"a":null,"b":{"c":null}})"), "");
  EXPECT_EQ(refusal(R"({"b":{"c":null}})", Nulls::refused), "desired.b.c: null is not a value");
}

TEST(TwinLimits, R69_null_is_refused_anywhere_inside_an_array) {
  EXPECT_EQ(refusal(R"({"a":[1,null]})"), "desired.a[1]: null is not allowed inside an array");
  EXPECT_NE(refusal(R"({"a":[{"b":null}]})"), "");
  EXPECT_NE(refusal(R"({"a":[[{"b":{"c":null}}]]})"), "");
  EXPECT_EQ(refusal(R"({"a":[1],"b":null})"), "");
}

TEST(TwinLimits, B64_integers_have_53_bits) {
  EXPECT_EQ(refusal(R"({"a":4503599627370495,"b":-4503599627370496})"), "");
  EXPECT_NE(refusal(R"({"a":4503599627370496})"), "");
  EXPECT_NE(refusal(R"({"a":-4503599627370497})"), "");
  EXPECT_NE(refusal(R"({"a":18446744073709551615})"), "");
  EXPECT_EQ(refusal(R"({"a":1e300,"b":4503599627370496.0})"), "");
}

TEST(TwinLimits, a_message_shows_a_long_path_in_part) {
  std::string text = "1";
  for (int i = 0; i < 8; ++i) text = "{\"" + std::string(1000, 'k') + "\":" + text + "}";
  text = "{\"x\":[" + text + ",null]}";
  EXPECT_EQ(refusal(text), "desired.x[1]: null is not allowed inside an array");
  Json deep = {{"a b", 1}};
  for (int i = 0; i < 8; ++i) deep = Json{{std::string(1000, 'k'), deep}};
  const std::string message = problem_of(deep);
  EXPECT_LT(message.size(), 400u);
  EXPECT_NE(message.find("..."), std::string::npos);
}

TEST(TwinSize, counts_by_the_formula) {
  EXPECT_EQ(twin_size(*parse_json("{}")).bytes, 0u);
  EXPECT_EQ(twin_size(*parse_json(R"({"abc":"defg"})")).bytes, 7u);
  EXPECT_EQ(twin_size(*parse_json(R"({"a":123456,"b":1.5})")).bytes, 18u);
  EXPECT_EQ(twin_size(*parse_json(R"({"a":true})")).bytes, 5u);
  EXPECT_EQ(twin_size(*parse_json(R"({"a":[1,"xy",{"b":false}],"c":{}})")).bytes, 17u);
  EXPECT_EQ(twin_size(*parse_json("{\"\xc3\xa5\":\"\xe2\x82\xac\"}")).bytes, 5u);
}

TEST(TwinSize, does_not_count_control_characters) {
  EXPECT_EQ(twin_size(*parse_json(R"({"a":"x\n\u0001\u007f\u0085y"})")).bytes, 3u);
}

TEST(TwinSize, text_is_never_longer_than_its_estimate) {
  for (const char* text : {"{}", R"({"a":[[],[],{},""],"b":-4503599627370496,"c":-1.7976931348623157e-308})",
                           R"({"\"\\":"\u0000\n\u001f\\\"","x":[true,false]})"}) {
    const Json value = *parse_json(text);
    EXPECT_LE(dump_json(value).size(), twin_size(value).text_bytes) << text;
  }
}

TEST(TwinSize, R69_each_section_has_its_limit) {
  const auto sized = [](std::size_t bytes) {
    Json value = Json::object();
    for (std::size_t i = 0; i < 8; ++i) value["k" + std::to_string(i)] = std::string(bytes / 8 - 2, 'x');
    return value;
  };
  EXPECT_TRUE(check_size(sized(32 * 1024), TwinSection::desired));
  EXPECT_TRUE(check_size(sized(32 * 1024), TwinSection::reported));
  EXPECT_TRUE(check_size(sized(8 * 1024), TwinSection::tags));
  const Result<void> large = check_size(sized(32 * 1024 + 8), TwinSection::desired);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::message_too_large);
  EXPECT_EQ(large.error().detail, "desired: larger than 32 KB");
  EXPECT_FALSE(check_size(sized(8 * 1024 + 8), TwinSection::tags));
}

TEST(TwinSize, what_the_formula_counts_as_nothing_is_bounded_too) {
  Json value = Json::object();
  for (int i = 0; i < 64; ++i) value["k" + std::to_string(i)] = Json::array_t(4096, Json::array());
  EXPECT_LT(twin_size(value).bytes, 1024u);
  EXPECT_FALSE(check_size(value, TwinSection::desired));
}

TEST(TwinSize, every_section_within_the_formula_fits_as_text) {
  Json letters = {{"a", Json::array_t(limits::kTwinSectionBytesMax - 1, "x")}};
  EXPECT_TRUE(check_size(letters, TwinSection::desired));
  Json numbers = {{"a", Json::array_t(4095, -1.7976931348623157e-308)}};
  EXPECT_TRUE(check_size(numbers, TwinSection::desired));
}

}  // namespace
}  // namespace kyanite
