#include "server/hub/query_text_filter.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

std::optional<QueryTextFilter> filter_of(const char* condition) {
  const Result<QueryCondition> parsed = parse_condition(condition);
  return QueryTextFilter::of(*parsed.value().expression);
}

bool may_match(const char* condition, const std::string& tags, const std::string& desired = "{}") {
  TwinRecord twin;
  twin.tags = tags;
  twin.desired = desired;
  twin.reported = "{}";
  return filter_of(condition).value().may_match(twin);
}

TEST(QueryTextFilter, rules_out_twins_without_the_text) {
  EXPECT_TRUE(may_match("tags.a.b = 'x'", R"({"a":{"b":"x"}})"));
  EXPECT_TRUE(may_match("'x' = tags.a", R"({"a":1,"b":"x"})"));  // may only: the rest is for the evaluator
  EXPECT_FALSE(may_match("tags.a = 'x'", R"({"a":"xy"})"));
  EXPECT_FALSE(may_match("tags.a = 'x'", R"({"a":1})", R"({"a":"x"})"));
  EXPECT_TRUE(may_match("properties.desired.a = 'x'", "{}", R"({"a":"x"})"));
  EXPECT_TRUE(may_match("tags.a IN ['x','y']", R"({"a":"y"})"));
  EXPECT_FALSE(may_match("tags.a IN ['x','y']", R"({"a":"z"})"));
  EXPECT_FALSE(may_match("tags.a IN []", R"({"a":"z"})"));
  EXPECT_TRUE(may_match("tags.a = 'é'", "{\"a\":\"é\"}"));
}

TEST(QueryTextFilter, a_text_with_escapes_is_never_ruled_out) {
  EXPECT_TRUE(may_match("tags.a = 'x'", R"({"a":"\u0078"})"));
  EXPECT_TRUE(may_match("tags.a = 'a/b'", R"({"a":"a\/b"})"));
  EXPECT_FALSE(filter_of("tags.a = 'x\\\"y'"));
}

TEST(QueryTextFilter, other_conditions_are_left_to_the_evaluator) {
  for (const char* condition :
       {"tags.a != 'x'", "tags.a = 1", "tags.a = null", "tags.a > 'x'", "tags.a IN ['x',1]",
        "tags.a NIN ['x']", "deviceId = 'x'", "tags = 'x'", "properties.desired.$version = 'x'",
        "properties.reported.$metadata.$lastUpdated = '2026-01-01'", "properties['desired'] = 'x'",
        "tags.a = tags.b", "NOT tags.a = 'x'", "tags.a = 'x' OR tags.b = 'y'", "LOWER(tags.a) = 'x'"}) {
    EXPECT_FALSE(filter_of(condition)) << condition;
  }
}

}  // namespace
}  // namespace kyanite
