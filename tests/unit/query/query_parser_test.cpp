#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "protocol/query/query.h"

namespace kyanite {
namespace {

std::string refusal(std::string_view text) {
  const Result<Query> query = parse_query(text);
  if (query) return "accepted";
  EXPECT_EQ(query.error().code, Errc::argument_invalid) << text;
  EXPECT_EQ(query.error().detail.find(';'), std::string::npos) << query.error().detail;
  EXPECT_TRUE(query.error().detail.starts_with("BadRequest")) << query.error().detail;
  return query.error().detail;
}

std::vector<std::string> names(const Query& query) {
  std::vector<std::string> names;
  for (const QueryItem& item : query.items) names.push_back(item.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(ParseQuery, reads_every_source) {
  EXPECT_EQ(parse_query("SELECT * FROM devices")->source, QuerySource::devices);
  EXPECT_EQ(parse_query("select * from DEVICES.Modules")->source, QuerySource::modules);
  EXPECT_EQ(parse_query("select * from devices.jobs")->source, QuerySource::device_jobs);
  EXPECT_NE(refusal("SELECT * FROM things").find("position 15"), std::string::npos);
  EXPECT_NE(refusal("SELECT * FROM devices.things"), "accepted");
}

TEST(ParseQuery, spaces_comments_and_a_semicolon_are_free) {
  const auto query =
      parse_query("\n\t/* all */ SELECT * -- everything\r\n FROM devices /**/ WHERE a /* x */ = 1 ;");
  ASSERT_TRUE(query);
  EXPECT_TRUE(query->selects_everything());
  EXPECT_TRUE(query->condition.has_value());
}

TEST(ParseQuery, names_what_is_projected) {
  EXPECT_EQ(names(*parse_query(
                "SELECT DEVICEID, tags.site.hall, status AS s, properties.Reported.x fw FROM devices")),
            (Names{"deviceId", "hall", "s", "fw"}));
  EXPECT_EQ(names(*parse_query("SELECT COUNT(), COUNT(*) AS n, COUNT(1) FROM devices")),
            (Names{"$1", "n", "$2"}));
  EXPECT_EQ(names(*parse_query("SELECT 1+1, tags.[[a b]], tags['c'], tags.d[0] FROM devices")),
            (Names{"$1", "a b", "c", "$2"}));
  EXPECT_EQ(names(*parse_query("SELECT statusUpdatedTime FROM devices")), (Names{"statusUpdatedTime"}));
}

TEST(ParseQuery, an_alias_and_the_name_of_the_source_lead_to_the_row) {
  for (const char* text : {"SELECT deviceId FROM devices", "SELECT devices.deviceId FROM devices",
                           "SELECT c.DeviceId FROM devices c", "SELECT c.deviceid FROM devices AS c"}) {
    const auto query = parse_query(text);
    ASSERT_TRUE(query) << text;
    EXPECT_EQ(query->items[0].expression->path.steps, (std::vector<QueryPath::Step>{"deviceId"})) << text;
  }
  const auto modules = parse_query("SELECT * FROM devices.modules WHERE devices.modules.moduleId = 'm'");
  EXPECT_EQ(paths_of(*modules)[0]->steps, (std::vector<QueryPath::Step>{"moduleId"}));
  const auto jobs = parse_query("SELECT * FROM devices.jobs WHERE devices.jobs.JobId = 'j'");
  EXPECT_EQ(paths_of(*jobs)[0]->steps, (std::vector<QueryPath::Step>{"jobId"}));
}

TEST(ParseQuery, names_of_the_user_keep_their_case) {
  const auto query = parse_query("SELECT * FROM devices WHERE Tags.Site = 1 AND PROPERTIES.Desired.FW = 2");
  EXPECT_EQ(paths_of(*query)[0]->steps, (std::vector<QueryPath::Step>{"tags", "Site"}));
  EXPECT_EQ(paths_of(*query)[1]->steps, (std::vector<QueryPath::Step>{"properties", "desired", "FW"}));
}

TEST(ParseQuery, a_keyword_may_be_a_segment) {
  EXPECT_TRUE(
      parse_query("SELECT tags.order, tags.from AS f, tags.top.in FROM devices WHERE tags.where = 1"));
}

TEST(ParseQuery, R79_brackets_quote_a_name) {
  const auto query =
      parse_query("SELECT deviceId FROM devices WHERE configurations.[[c-1]].status='Applied'");
  ASSERT_TRUE(query);
  EXPECT_EQ(paths_of(*query)[0]->steps, (std::vector<QueryPath::Step>{"configurations", "c-1", "status"}));
}

TEST(ParseQuery, top_is_a_positive_number) {
  EXPECT_EQ(parse_query("SELECT TOP 7 * FROM devices")->top, 7);
  EXPECT_EQ(parse_query("select top 2 deviceId from devices")->top, 2);
  for (const char* text : {"SELECT TOP 0 * FROM devices", "SELECT TOP -1 * FROM devices",
                           "SELECT TOP 1.5 * FROM devices", "SELECT TOP * FROM devices"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
}

TEST(ParseQuery, group_by_and_aggregates_go_together) {
  EXPECT_TRUE(parse_query("SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a"));
  EXPECT_TRUE(parse_query("SELECT c.tags.a AS x, MAX(version) FROM devices c GROUP BY tags.a, c.tags.b"));
  EXPECT_TRUE(parse_query("SELECT tags.a FROM devices GROUP BY tags.a"));
  for (const char* text :
       {"SELECT * FROM devices GROUP BY tags.a", "SELECT tags.b, COUNT() FROM devices GROUP BY tags.a",
        "SELECT deviceId, COUNT() FROM devices", "SELECT COUNT() + 1 FROM devices",
        "SELECT COUNT(tags.a) FROM devices", "SELECT SUM() FROM devices", "SELECT AVG(1) FROM devices",
        "SELECT * FROM devices WHERE COUNT() = 1", "SELECT tags.a FROM devices GROUP tags.a",
        "SELECT tags.a FROM devices GROUP BY 1"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
}

TEST(ParseQuery, R80_an_error_says_where) {
  EXPECT_EQ(refusal("SELEC"), "BadRequest: SELECT is expected (position 1)");
  EXPECT_EQ(refusal("SELECT * FROM devices WHERE tags.a ="),
            "BadRequest: the query ends where a value is expected (position 37)");
  EXPECT_NE(refusal("SELECT * FROM devices WHERE tags.a = 'x").find("(position 38)"), std::string::npos);
}

TEST(ParseQuery, refuses_what_the_language_has_not) {
  for (const char* text : {"",
                           "   ",
                           "-- nothing",
                           "SELECT",
                           "SELECT *",
                           "SELECT * FROM",
                           "SELECT *, deviceId FROM devices",
                           "SELECT FROM devices",
                           "SELECT deviceId, FROM devices",
                           "SELECT DISTINCT deviceId FROM devices",
                           "SELECT * FROM devices ORDER BY deviceId",
                           "SELECT * FROM devices JOIN x",
                           "SELECT * FROM devices WHERE a LIKE 'x'",
                           "SELECT * FROM devices HAVING 1",
                           "SELECT * FROM (SELECT * FROM devices)",
                           "SELECT * FROM devices WHERE",
                           "SELECT * FROM devices WHERE a = 1 b",
                           "SELECT * FROM devices WHERE a == 1",
                           "SELECT * FROM devices WHERE a = 'x",
                           "SELECT * FROM devices /*",
                           "SELECT * FROM devices WHERE a IN b",
                           "SELECT * FROM devices WHERE a IN ()",
                           "SELECT * FROM devices WHERE a IN [b]",
                           "SELECT * FROM devices WHERE a IN [1",
                           "SELECT * FROM devices WHERE nofunction(1)",
                           "SELECT * FROM devices WHERE is_defined()",
                           "SELECT * FROM devices WHERE is_defined(a, b)",
                           "SELECT * FROM devices WHERE (a = 1",
                           "SELECT * FROM devices WHERE a = 1)",
                           "SELECT * FROM devices WHERE a = 0x",
                           "SELECT * FROM devices WHERE a = 1x",
                           "SELECT * FROM devices WHERE a[-1] = 1",
                           "SELECT * FROM devices WHERE a[1.5] = 1",
                           "SELECT * FROM devices WHERE [[a = 1",
                           "SELECT * FROM devices WHERE a = '\\q'",
                           "SELECT * FROM devices WHERE a = '\\u12'",
                           "SELECT * FROM devices WHERE a = '\\ud800'",
                           "SELECT * FROM devices WHERE a # 1",
                           "SELECT * FROM devices; SELECT * FROM devices",
                           "SELECT deviceId AS FROM devices",
                           "SELECT deviceId, deviceId FROM devices",
                           "SELECT tags.a, properties.desired.a FROM devices",
                           "SELECT deviceId FROM devices.jobs",
                           "SELECT COUNT() FROM devices.jobs",
                           "SELECT * FROM devices WHERE a = 1e999"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
}

TEST(ParseQuery, bounds_length_and_depth) {
  const std::string head = "SELECT * FROM devices WHERE a = '";
  EXPECT_TRUE(parse_query(head + std::string(limits::kQueryCharactersMax - head.size() - 1, 'x') + "'"));
  EXPECT_NE(refusal(head + std::string(limits::kQueryCharactersMax - head.size(), 'x') + "'"), "accepted");
  std::string wide = head;
  for (int i = 0; i < 4000; ++i) wide += "ä";  // 8,000 bytes and more, but not so many characters
  EXPECT_TRUE(parse_query(wide + "'"));

  const auto where = [](const std::string& condition) { return "SELECT * FROM devices WHERE " + condition; };
  EXPECT_TRUE(parse_query(where(std::string(60, '(') + "1=1" + std::string(60, ')'))));
  EXPECT_NE(refusal(where(std::string(4000, '(') + "1=1" + std::string(4000, ')'))), "accepted");
  EXPECT_NE(refusal(where(std::string(4000, '('))), "accepted");
  for (const char* part : {"NOT ", "1+", "- ", "abs(", "1=("}) {
    std::string deep;
    while (deep.size() < 7900) deep += part;
    EXPECT_NE(refusal(where(deep + "1")).find("nested too deeply"), std::string::npos) << part;
  }
  std::string many = "a=1";
  while (many.size() < 7900) many += " OR a=1";
  EXPECT_TRUE(parse_query(where(many)));
}

TEST(ParseCondition, takes_everything_an_expression_and_a_source) {
  EXPECT_FALSE(parse_condition("*")->expression);
  EXPECT_TRUE(parse_condition("tags.site = 'x'")->expression);
  const auto modules = parse_condition("FROM devices.modules WHERE moduleId = 'm'");
  ASSERT_TRUE(modules);
  EXPECT_EQ(modules->source, QuerySource::modules);
  EXPECT_TRUE(modules->expression);
  EXPECT_FALSE(parse_condition("from devices.modules")->expression);
  EXPECT_TRUE(parse_condition("devices.tags.a = 1")->expression);
}

TEST(ParseCondition, refuses_whole_queries_and_nonsense) {
  for (const char* text : {"", " ", "SELECT * FROM devices", "tags.a =", "* and 1=1",
                           "from devices.jobs where a=1", "tags.a = 1 GROUP BY tags.a", "where tags.a = 1"}) {
    EXPECT_FALSE(parse_condition(text)) << text;
  }
}

}  // namespace
}  // namespace kyanite
