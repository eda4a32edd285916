#include "protocol/http/etag.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

TEST(IfMatch, R35_quoted_unquoted_and_weak_tags_are_the_same) {
  for (const char* text : {"\"abc\"", "abc", "W/\"abc\"", "  \"abc\" "}) {
    const auto tag = parse_if_match(text);
    ASSERT_TRUE(tag) << text;
    EXPECT_FALSE(tag->any);
    EXPECT_EQ(tag->etag, "abc");
    EXPECT_TRUE(tag->matches("abc"));
    EXPECT_FALSE(tag->matches("abd"));
  }
}

TEST(IfMatch, R35_a_star_matches_anything_with_and_without_quotes) {
  for (const char* text : {"*", "\"*\"", "W/\"*\"", " * "}) {
    const auto tag = parse_if_match(text);
    ASSERT_TRUE(tag) << text;
    EXPECT_TRUE(tag->any);
    EXPECT_TRUE(tag->matches("anything"));
  }
}

TEST(IfMatch, an_absent_or_blank_header_is_no_condition) {
  EXPECT_FALSE(parse_if_match(std::nullopt));
  EXPECT_FALSE(parse_if_match(""));
  EXPECT_FALSE(parse_if_match("  "));
}

TEST(IfMatch, R36_an_odd_tag_is_a_condition_that_does_not_match) {
  for (const char* text : {"\"\"", "\"", "W/", "W/\"", "\"abc", "abc\""}) {
    const auto tag = parse_if_match(text);
    ASSERT_TRUE(tag) << text;
    EXPECT_FALSE(tag->any) << text;
    EXPECT_FALSE(tag->matches("abc")) << text;
  }
}

TEST(Etag, is_quoted_for_the_header) { EXPECT_EQ(quote_etag("abc"), "\"abc\""); }

}  // namespace
}  // namespace kyanite
