#include "protocol/query/query_evaluator.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

const Json& twin() {
  static const Json kTwin = *parse_json(R"({
    "deviceId":"pump-7","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Connected",
    "lastActivityTime":"2026-07-29T10:11:12.3450000Z","version":10,"parentScopes":["a","b"],
    "tags":{"site":{"hall":3,"Hall":4},"flag":true,"text":"Ä-x","float":2.5,"list":[1,"two",{"three":3}],"empty":null,
            "2nd":2,"a b":5},
    "properties":{"desired":{"interval":30,"$version":4,
       "$metadata":{"interval":{"$lastUpdated":"2026-07-29T10:00:00.0000000Z"}}},"reported":{"fw":"1.2"}},
    "capabilities":{"iotEdge":false}})");
  return kTwin;
}

bool holds(const std::string& condition) {
  const Result<QueryCondition> parsed = parse_condition(condition);
  EXPECT_TRUE(parsed) << condition << ": " << parsed.error().detail;
  return parsed && matches(*parsed, twin());
}

void expect_all(bool wanted, std::initializer_list<const char*> conditions) {
  for (const char* condition : conditions) EXPECT_EQ(holds(condition), wanted) << condition;
}

TEST(Query, compares_values_of_one_type) {
  expect_all(true, {"tags.site.hall = 3",
                    "tags.site.hall = 3.0",
                    "tags.site.hall != 4",
                    "tags.site.hall <> 4",
                    "tags.site.hall < 4",
                    "tags.site.hall <= 3",
                    "tags.site.hall > 2.5",
                    "tags.site.hall >= 3",
                    "tags.flag = true",
                    "status = 'enabled'",
                    "deviceId < \"pump-8\"",
                    "tags.text = '\\u00c4-x'",
                    "tags.float = 25e-1",
                    "tags.site.hall = 0x3",
                    "tags.float = .5 + 2",
                    "tags.empty = null",
                    "parentScopes = ['a','b']",
                    "tags.list[0] = 1",
                    "tags.list[2].three = 3",
                    "tags['a b'] = 5",
                    "tags.[[a b]] = 5",
                    "tags.2nd = 2",
                    "properties.desired.$version = 4",
                    "properties.desired.$metadata.interval.$lastUpdated = '2026-07-29T10:00:00Z'",
                    "tags.site = tags.site",
                    "3 = tags.site.hall"});
  expect_all(false, {"tags.site.hall = 4", "tags.site.hall > 3", "status = 'Enabled'", "tags.site.HALL = 3",
                     "tags.list[9] = 1", "tags.list[0].x = 1", "tags.site[0] = 1", "tags.flag > false",
                     "tags.empty >= null"});
}

TEST(Query, values_of_two_types_are_never_equal_nor_ordered) {
  expect_all(true, {"tags.site.hall != '3'", "tags.flag != 1"});
  expect_all(false, {"tags.site.hall = '3'", "tags.site.hall < '4'", "tags.flag = 'true'", "status > 1",
                     "tags.site > 1", "tags.empty = 0"});
}

TEST(Query, a_comparison_with_undefined_is_false) {
  expect_all(false,
             {"tags.none = 1", "tags.none != 1", "tags.none = tags.none", "tags.none < 1", "tags.none = null",
              "anything.at.all = 1", "tags.none = undefined AND tags.none != undefined"});
  expect_all(true, {"tags.none = undefined", "tags.flag != undefined", "undefined = tags.none",
                    "is_defined(tags.flag)", "NOT is_defined(tags.none)", "tags.empty != undefined",
                    "undefined = undefined"});
  expect_all(false, {"tags.flag = undefined", "tags.none != undefined", "tags.none < undefined"});
}

TEST(Query, lists) {
  expect_all(true, {"deviceId IN ['x','pump-7']", "deviceId in ('x', \"pump-7\")",
                    "tags.site.hall IN [1,2,3.0]", "tags.site.hall NIN [-1, +2]", "tags.site.hall NOT IN [1]",
                    "tags.empty IN [null]", "NOT deviceId IN ['x']", "deviceId NIN []"});
  expect_all(false, {"deviceId IN []", "deviceId IN ['x']", "tags.none NIN [1]", "tags.none IN [undefined]",
                     "tags.site.hall IN ['3']", "tags.site.hall NIN [3]"});
}

TEST(Query, boolean_operators) {
  expect_all(true,
             {"1=1 AND 2=2", "1=2 OR 2=2", "NOT 1=2", "NOT (1=1 AND 1=2)", "1=2 AND 1=1 OR 1=1", "tags.flag",
              "tags.flag AND NOT tags.none", "not not tags.flag", "true", "(((tags.flag)))"});
  expect_all(false, {"1=1 AND 1=2", "tags.site.hall", "tags.none", "'true'", "1 AND 1=1", "NOT tags.flag",
                     "1=1 AND (1=2 OR 1=2)", "null", "undefined"});
}

TEST(Query, arithmetic) {
  expect_all(true, {"tags.site.hall + 1 = 4", "tags.site.hall * 2 - 1 = 5", "7 / 2 = 3.5", "6 / 2 = 3",
                    "7 % 4 = 3", "-tags.site.hall = -3", "2 + 3 * 4 = 14", "(2 + 3) * 4 = 20", "+3 = 3",
                    "10 - 4 - 3 = 3", "9007199254740993 + 0 = 9007199254740993", "1 - -1 = 2"});
  expect_all(false, {"tags.text + 1 = 1", "1 / 0 = 0", "1 / 0 != 0", "1 % 0 != 0", "tags.none + 1 != 0",
                     "'a' + 'b' = 'ab'", "-tags.text != 0", "+tags.text = tags.text"});
  EXPECT_TRUE(holds("9223372036854775807 + 1 > 9e18"));
}

TEST(Query, times_of_the_hub_are_compared_in_any_spelling) {
  expect_all(
      true,
      {"lastActivityTime >= '2026-07-29'", "lastActivityTime > '2026-07-29T10:11:12Z'",
       "lastActivityTime < '2026-07-29T10:11:12.346Z'", "lastActivityTime = '2026-07-29T12:11:12.345+02:00'",
       "lastActivityTime < '2026-07-29T10:11:12.3456789'", "statusUpdatedTime = '0001-01-01T00:00:00'",
       "statusUpdateTime < '2020-01-01'", "'2026-07-29T10:11:13' > lastActivityTime",
       "lastActivityTime IN ['2026-07-29T10:11:12.345Z']"});
  expect_all(false, {"lastActivityTime > '2026-07-30'", "lastActivityTime < 'yesterday' AND 1=2",
                     "tags.text < '2026-07-29' AND 1=2"});
}

std::string projected(const std::string& text) {
  const Result<Query> query = parse_query(text);
  EXPECT_TRUE(query) << text;
  return query ? dump_json(project(*query, twin())) : "";
}

TEST(Query, projects_what_select_names) {
  EXPECT_EQ(projected("SELECT DEVICEID, tags.site.hall, tags.none, version + 1 FROM devices"),
            R"({"deviceId":"pump-7","hall":3,"$1":11})");
  EXPECT_EQ(projected("SELECT statusUpdatedTime AS t, tags.empty, status = 'enabled' on FROM devices"),
            R"({"t":"0001-01-01T00:00:00Z","empty":null,"on":true})");
  EXPECT_EQ(projected("SELECT tags.none FROM devices"), "{}");
  EXPECT_EQ(projected("SELECT * FROM devices"), dump_json(twin()));
}

}  // namespace
}  // namespace kyanite
