#include "protocol/twin/twin_request.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

Errc reported_error(std::string_view body) {
  const auto patch = parse_reported_patch(body);
  return patch ? Errc::internal : patch.error().code;
}
Errc request_error(std::string_view body, Nulls nulls = Nulls::delete_members) {
  const auto sections = parse_twin_request(body, nulls);
  return sections ? Errc::internal : sections.error().code;
}

TEST(ReportedPatch, B64_what_is_not_an_object_is_an_invalid_argument) {
  for (const char* body :
       {"", "{bad", "[1]", "null", "1", "\"a\"", "{\"a\":NaN}", "{\"a\":1,}", "{\"a\":1e999}", "{} x"})
    EXPECT_EQ(reported_error(body), Errc::argument_invalid) << body;
}

TEST(ReportedPatch, leaves_out_system_members_at_the_top_only) {
  EXPECT_EQ(dump_json(*parse_reported_patch(R"({"a":1,"$version":3,"$metadata":{"x":{}}})")), R"({"a":1})");
  EXPECT_EQ(reported_error(R"({"a":{"$version":3}})"), Errc::argument_invalid);
  EXPECT_EQ(reported_error(R"({"$other":3})"), Errc::argument_invalid);
}

TEST(ReportedPatch, of_repeated_members_the_last_wins) {
  EXPECT_EQ(dump_json(*parse_reported_patch(R"({"a":1,"b":{"c":1,"c":2},"a":null})")),
            R"({"a":null,"b":{"c":2}})");
}

TEST(ReportedPatch, B64_refuses_integers_beyond_64_bits_too) {
  EXPECT_EQ(reported_error(R"({"a":99999999999999999999})"), Errc::argument_invalid);
  EXPECT_EQ(reported_error(R"({"a":[-99999999999999999999]})"), Errc::argument_invalid);
  EXPECT_EQ(reported_error(R"({"a":4503599627370496})"), Errc::argument_invalid);
  EXPECT_TRUE(parse_reported_patch(R"({"a":9.9e19})"));
}

TEST(TwinRequest, R66_takes_tags_and_desired_and_ignores_the_rest) {
  const auto sections = parse_twin_request(
      R"({"deviceId":"d","etag":"x","version":9,"Tags":{"a":1},"capabilities":null,"status":"enabled",)"
      R"("properties":{"desired":{"b":2,"$metadata":{"$lastUpdated":"x"},"$version":4},"reported":{"a b":[null]}}})",
      Nulls::delete_members);
  ASSERT_TRUE(sections);
  EXPECT_EQ(dump_json(*sections->tags), R"({"a":1})");
  EXPECT_EQ(dump_json(*sections->desired), R"({"b":2})");
}

TEST(TwinRequest, sections_may_be_absent_or_null) {
  const auto none = parse_twin_request("{}", Nulls::delete_members);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->tags || none->desired);
  const auto nulls = parse_twin_request(R"({"tags":null,"properties":{"desired":null}})", Nulls::refused);
  ASSERT_TRUE(nulls);
  EXPECT_TRUE(nulls->tags->is_null() && nulls->desired->is_null());
}

TEST(TwinRequest, refuses_sections_that_are_not_objects) {
  EXPECT_EQ(request_error(R"({"tags":5})"), Errc::argument_invalid);
  EXPECT_EQ(request_error(R"({"properties":[]})"), Errc::argument_invalid);
  EXPECT_EQ(request_error(R"({"properties":{"desired":"x"}})"), Errc::argument_invalid);
  EXPECT_EQ(request_error("[]"), Errc::argument_invalid);
}

TEST(TwinRequest, what_is_not_json_is_a_format_error) {
  EXPECT_EQ(request_error("{bad"), Errc::format_error);
  EXPECT_EQ(request_error(""), Errc::format_error);
}

TEST(TwinRequest, R69_null_members_are_refused_in_a_replacement) {
  EXPECT_EQ(request_error(R"({"tags":{"a":null}})", Nulls::refused), Errc::argument_invalid);
  EXPECT_TRUE(parse_twin_request(R"({"tags":{"a":null}})", Nulls::delete_members));
}

}  // namespace
}  // namespace kyanite
