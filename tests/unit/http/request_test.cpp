#include "protocol/http/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kyanite {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

HttpRequest request_of(std::string_view target) {
  HttpRequest request;
  parse_http_target(target, request);
  return request;
}

TEST(HttpTarget, R01_an_encoded_slash_separates_segments) {
  EXPECT_THAT(request_of("/devices%2Fd1?api-version=2021-04-12").segments, ElementsAre("devices", "d1"));
}

TEST(HttpTarget, R02_trailing_and_doubled_slashes_do_not_count) {
  EXPECT_THAT(request_of("/devices/?api-version=2021-04-12").segments, ElementsAre("devices"));
  EXPECT_THAT(request_of("//devices///d1//").segments, ElementsAre("devices", "d1"));
  EXPECT_THAT(request_of("/").segments, IsEmpty());
  EXPECT_THAT(request_of("").segments, IsEmpty());
}

TEST(HttpTarget, R03_plus_in_a_path_is_a_plus) {
  EXPECT_THAT(request_of("/devices/a+b").segments, ElementsAre("devices", "a+b"));
  EXPECT_THAT(request_of("/devices/a%2Bb").segments, ElementsAre("devices", "a+b"));
}

TEST(HttpTarget, R04_a_lone_percent_stays) {
  EXPECT_THAT(request_of("/devices/50%").segments, ElementsAre("devices", "50%"));
  EXPECT_THAT(request_of("/devices/50%zz").segments, ElementsAre("devices", "50%zz"));
}

TEST(HttpTarget, the_path_is_decoded_once) {
  EXPECT_THAT(request_of("/devices/my%2523dev").segments, ElementsAre("devices", "my%23dev"));
}

TEST(HttpTarget, dots_are_ids_and_not_navigation) {
  EXPECT_THAT(request_of("/devices/../x").segments, ElementsAre("devices", "..", "x"));
}

TEST(HttpTarget, the_query_begins_at_the_first_question_mark) {
  const auto request = request_of("/devices/a%3Fb?x=1?2");
  EXPECT_THAT(request.segments, ElementsAre("devices", "a?b"));
  EXPECT_THAT(request.query, ElementsAre(Pair("x", "1?2")));
  EXPECT_EQ(request.target, "/devices/a%3Fb");
}

TEST(HttpTarget, query_names_are_lower_cased_and_both_sides_decoded) {
  const auto request = request_of("/?Api%2DVersion=2021-04-12&&top=a%20b+c&flag&=v");
  EXPECT_THAT(request.query, ElementsAre(Pair("api-version", "2021-04-12"), Pair("top", "a b+c"),
                                         Pair("flag", ""), Pair("", "v")));
  EXPECT_EQ(request.query_value("top"), "a b+c");
  EXPECT_EQ(request.query_value("none"), std::nullopt);
}

TEST(HttpTarget, the_absolute_form_loses_its_origin) {
  EXPECT_THAT(request_of("https://hub.test:443/devices/d1?x=1").segments, ElementsAre("devices", "d1"));
  const auto bare = request_of("http://hub.test?x=1");
  EXPECT_THAT(bare.segments, IsEmpty());
  EXPECT_THAT(bare.query, ElementsAre(Pair("x", "1")));
}

TEST(HttpTarget, parsing_replaces_what_the_request_held) {
  HttpRequest request = request_of("/devices/d1?x=1");
  parse_http_target("/twins", request);
  EXPECT_THAT(request.segments, ElementsAre("twins"));
  EXPECT_THAT(request.query, IsEmpty());
}

TEST(HttpVerbs, names_are_case_sensitive) {
  EXPECT_EQ(parse_http_verb("DELETE"), HttpVerb::del);
  EXPECT_EQ(parse_http_verb("PATCH"), HttpVerb::patch);
  EXPECT_EQ(parse_http_verb("get"), HttpVerb::other);
  EXPECT_EQ(parse_http_verb("TRACE"), HttpVerb::other);
  EXPECT_EQ(to_text(HttpVerb::del), "DELETE");
  EXPECT_EQ(to_text(HttpVerb::other), "other");
}

TEST(HttpVerbs, R06_a_post_can_be_overridden) {
  for (const auto& [value, verb] : {std::pair{"PATCH", HttpVerb::patch}, std::pair{"patch", HttpVerb::patch},
                                    std::pair{"PUT", HttpVerb::put}, std::pair{"DELETE", HttpVerb::del}}) {
    HttpRequest request;
    request.verb = HttpVerb::post;
    request.headers = {{"x-http-method-override", value}};
    apply_method_override(request);
    EXPECT_EQ(request.verb, verb) << value;
  }
}

TEST(HttpVerbs, only_a_post_can_be_overridden_and_only_by_known_verbs) {
  HttpRequest request;
  request.headers = {{"x-http-method-override", "DELETE"}};
  request.verb = HttpVerb::get;
  apply_method_override(request);
  EXPECT_EQ(request.verb, HttpVerb::get);
  request.verb = HttpVerb::post;
  request.headers = {{"x-http-method-override", "GET"}};
  apply_method_override(request);
  EXPECT_EQ(request.verb, HttpVerb::post);
  request.headers.clear();
  apply_method_override(request);
  EXPECT_EQ(request.verb, HttpVerb::post);
}

TEST(HttpHeaders, the_first_of_a_name_is_found) {
  HttpRequest request;
  request.headers = {{"if-match", "a"}, {"if-match", "b"}};
  EXPECT_EQ(request.header("if-match"), "a");
  EXPECT_EQ(request.header("authorization"), std::nullopt);
}

}  // namespace
}  // namespace kyanite
