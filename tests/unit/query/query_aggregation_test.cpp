#include "protocol/query/query_aggregation.h"

#include <gtest/gtest.h>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

std::vector<std::string> rows_of(const std::string& text, const std::vector<std::string>& rows,
                                 const std::string& after = "", std::size_t limit = 100) {
  const Result<Query> query = parse_query(text);
  EXPECT_TRUE(query) << text;
  QueryAggregation aggregation(*query);
  for (const std::string& row : rows) EXPECT_TRUE(aggregation.add(*parse_json(row)));
  std::vector<std::string> result;
  for (const QueryAggregation::Row& row : aggregation.rows(after, limit))
    result.push_back(dump_json(row.row));
  return result;
}

using Rows = std::vector<std::string>;

TEST(QueryAggregation, R78_counts) {
  EXPECT_EQ(rows_of("SELECT COUNT() AS n FROM devices", {"{}", "{}"}), (Rows{R"({"n":2})"}));
  EXPECT_EQ(rows_of("SELECT COUNT(*) FROM devices", {}), (Rows{R"({"$1":0})"}));
}

TEST(QueryAggregation, adds_up_numbers_only) {
  const Rows rows{R"({"tags":{"a":1}})", R"({"tags":{"a":2}})", R"({"tags":{"a":"x"}})", R"({"tags":{}})"};
  EXPECT_EQ(
      rows_of("SELECT SUM(tags.a) s, AVG(tags.a) a, MIN(tags.a) l, MAX(tags.a) h, COUNT() n FROM devices",
              rows),
      (Rows{R"({"s":3,"a":1.5,"l":1,"h":2,"n":4})"}));
  EXPECT_EQ(rows_of("SELECT SUM(tags.b) s, COUNT() n FROM devices", rows), (Rows{R"({"n":4})"}));
  EXPECT_EQ(rows_of("SELECT MIN(tags.a) l, MAX(tags.a) h FROM devices",
                    {R"({"tags":{"a":"x"}})", R"({"tags":{"a":"w"}})"}),
            (Rows{R"({"l":"w","h":"x"})"}));
  EXPECT_EQ(rows_of("SELECT SUM(version) s FROM devices",
                    {R"({"version":9223372036854775807})", R"({"version":9223372036854775807})"}),
            (Rows{R"({"s":1.8446744073709552e+19})"}));
  EXPECT_EQ(
      rows_of("SELECT SUM(version) s FROM devices", {R"({"version":9007199254740993})", R"({"version":2})"}),
      (Rows{R"({"s":9007199254740995})"}));
}

const Rows kSites{R"({"tags":{"site":"b"}})", R"({"tags":{"site":"a"}})", R"({"tags":{"site":"b"}})",
                  R"({"tags":{}})",           R"({"tags":{"site":1}})",   R"({"tags":{"site":1.0}})"};
constexpr const char* kBySite = "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site";

TEST(QueryAggregation, R78_groups_by_value_and_the_undefined_are_one_group) {
  EXPECT_EQ(rows_of(kBySite, kSites),
            (Rows{R"({"site":"a","n":1})", R"({"site":"b","n":2})", R"({"n":1})", R"({"site":1,"n":2})"}));
  EXPECT_EQ(rows_of(kBySite, {}), Rows{});
}

TEST(QueryAggregation, groups_by_several_paths) {
  EXPECT_EQ(rows_of("SELECT tags.a AS x, tags.b FROM devices GROUP BY tags.a, tags.b",
                    {R"({"tags":{"a":1,"b":2}})", R"({"tags":{"a":1}})", R"({"tags":{"a":1,"b":2}})"}),
            (Rows{R"({"x":1})", R"({"x":1,"b":2})"}));
}

TEST(QueryAggregation, groups_come_in_pages) {
  const Result<Query> query = parse_query(kBySite);
  QueryAggregation aggregation(*query);
  for (const std::string& row : kSites) ASSERT_TRUE(aggregation.add(*parse_json(row)));
  Rows seen;
  std::string after;
  for (;;) {
    const auto page = aggregation.rows(after, 3);
    if (page.empty()) break;
    for (const auto& row : page) seen.push_back(dump_json(row.row));
    after = page.back().key;
  }
  EXPECT_EQ(seen, rows_of(kBySite, kSites));
}

TEST(QueryAggregation, the_number_of_groups_is_bounded) {
  const Result<Query> query = parse_query(kBySite);
  QueryAggregation aggregation(*query);
  for (std::size_t i = 0; i < limits::kQueryGroupsMax; ++i) {
    ASSERT_TRUE(aggregation.add(Json{{"tags", {{"site", i}}}})) << i;
  }
  EXPECT_TRUE(aggregation.add(Json{{"tags", {{"site", 1}}}}));
  const Result<void> more = aggregation.add(Json{{"tags", {{"site", "new"}}}});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Errc::argument_invalid);
}

TEST(QueryAggregation, the_bytes_of_groups_are_bounded) {
  const Result<Query> query = parse_query(kBySite);
  QueryAggregation aggregation(*query);
  bool refused = false;
  for (std::size_t i = 0; i < limits::kQueryGroupBytesMax / 4096 && !refused; ++i) {
    refused = !aggregation.add(Json{{"tags", {{"site", std::string(4000, 'x') + std::to_string(i)}}}});
  }
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace kyanite
