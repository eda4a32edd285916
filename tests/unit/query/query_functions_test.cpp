#include "protocol/query/query_functions.h"

#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "protocol/query/query_evaluator.h"

namespace kyanite {
namespace {

// The text of the value, "undefined" for none.
std::string value_of(const std::string& expression) {
  static const Json kRow = *parse_json(
      R"({"tags":{"text":"Grün 7","list":[1,"a",{"x":[1]}],"object":{"b":1,"a":2.0},"null":null,"no":-2.5}})");
  const Result<Query> query = parse_query("SELECT " + expression + " AS v FROM devices");
  if (!query) return query.error().detail;
  const QueryValue value = evaluate(*query->items[0].expression, kRow);
  return value.json() ? dump_json(*value.json()) : "undefined";
}

TEST(QueryFunctions, types) {
  EXPECT_EQ(value_of("IS_DEFINED(tags.null)"), "true");
  EXPECT_EQ(value_of("isdefined(tags.none)"), "false");
  EXPECT_EQ(value_of("IS_ARRAY(tags.list)"), "true");
  EXPECT_EQ(value_of("IS_BOOL(1=1)"), "true");
  EXPECT_EQ(value_of("IS_NULL(tags.null)"), "true");
  EXPECT_EQ(value_of("IS_NULL(tags.none)"), "false");
  EXPECT_EQ(value_of("IS_NUMBER(tags.no)"), "true");
  EXPECT_EQ(value_of("IS_OBJECT(tags.object)"), "true");
  EXPECT_EQ(value_of("IS_OBJECT(tags.list)"), "false");
  EXPECT_EQ(value_of("IS_PRIMITIVE(tags.null)"), "true");
  EXPECT_EQ(value_of("IS_PRIMITIVE(tags.object)"), "false");
  EXPECT_EQ(value_of("IS_STRING(tags.text)"), "true");
}

TEST(QueryFunctions, texts) {
  EXPECT_EQ(value_of("STARTSWITH(tags.text, 'Gr')"), "true");
  EXPECT_EQ(value_of("starts_with(tags.text, 'gr')"), "false");
  EXPECT_EQ(value_of("ENDS_WITH(tags.text, '7')"), "true");
  EXPECT_EQ(value_of("CONTAINS(tags.text, 'ün')"), "true");
  EXPECT_EQ(value_of("INDEX_OF(tags.text, 'n')"), "3");
  EXPECT_EQ(value_of("INDEX_OF(tags.text, 'z')"), "-1");
  EXPECT_EQ(value_of("LENGTH(tags.text)"), "6");
  EXPECT_EQ(value_of("LOWER(tags.text)"), "\"grün 7\"");
  EXPECT_EQ(value_of("UPPER('abc')"), "\"ABC\"");
  EXPECT_EQ(value_of("SUBSTRING(tags.text, 2)"), "\"ün 7\"");
  EXPECT_EQ(value_of("SUBSTRING(tags.text, 2, 2)"), "\"ün\"");
  EXPECT_EQ(value_of("SUBSTRING(tags.text, 99, 2)"), "\"\"");
  EXPECT_EQ(value_of("SUBSTRING(tags.text, -1)"), "undefined");
  EXPECT_EQ(value_of("CONCAT(tags.text, '-', 'x')"), "\"Grün 7-x\"");
  EXPECT_EQ(value_of("CONCAT(tags.text, 1)"), "undefined");
  EXPECT_EQ(value_of("STARTSWITH(tags.no, '1')"), "undefined");
  EXPECT_EQ(value_of("LENGTH(tags.list)"), "undefined");
  EXPECT_EQ(value_of("UPPER(tags.none)"), "undefined");
}

TEST(QueryFunctions, numbers) {
  EXPECT_EQ(value_of("ABS(tags.no)"), "2.5");
  EXPECT_EQ(value_of("CEILING(tags.no)"), "-2");
  EXPECT_EQ(value_of("FLOOR(tags.no)"), "-3");
  EXPECT_EQ(value_of("SIGN(tags.no)"), "-1");
  EXPECT_EQ(value_of("SQUARE(3)"), "9");
  EXPECT_EQ(value_of("SQRT(9)"), "3");
  EXPECT_EQ(value_of("SQRT(-1)"), "undefined");
  EXPECT_EQ(value_of("POWER(2, 10)"), "1024");
  EXPECT_EQ(value_of("POWER(10, 999)"), "undefined");
  EXPECT_EQ(value_of("EXP(0)"), "1");
  EXPECT_EQ(value_of("ABS('1')"), "undefined");
  EXPECT_EQ(value_of("AS_NUMBER('12')"), "12");
  EXPECT_EQ(value_of("AS_NUMBER('1.5')"), "1.5");
  EXPECT_EQ(value_of("AS_NUMBER('x')"), "undefined");
  EXPECT_EQ(value_of("AS_NUMBER('nan')"), "undefined");
  EXPECT_EQ(value_of("AS_NUMBER(tags.no)"), "-2.5");
}

TEST(QueryFunctions, arrays) {
  EXPECT_EQ(value_of("ARRAY_CONTAINS(tags.list, 'a')"), "true");
  EXPECT_EQ(value_of("array_contains(tags.list, 'b')"), "false");
  EXPECT_EQ(value_of("arraycontains(['x','y'], 'y')"), "true");
  EXPECT_EQ(value_of("ARRAY_CONTAINS(tags.text, 'a')"), "undefined");
  EXPECT_EQ(value_of("ARRAY_CONTAINS(tags.list, tags.none)"), "undefined");
}

TEST(QueryFunctions, joined_texts_are_bounded) {
  std::string half(limits::kQueryTextBytesMax / 2, 'x');
  const std::vector<QueryValue> fits{Json(half), Json(half)};
  EXPECT_NE(call_query_function(QueryFunction::concat, fits).json(), nullptr);
  const std::vector<QueryValue> more{Json(half), Json(half), Json("x")};
  EXPECT_EQ(call_query_function(QueryFunction::concat, more).json(), nullptr);
}

TEST(QueryFunctions, values_are_the_same_whatever_the_order_of_their_members) {
  EXPECT_TRUE(same_query_value(*parse_json(R"({"a":1,"b":[{"c":2,"d":3}]})"),
                               *parse_json(R"({"b":[{"d":3.0,"c":2}],"a":1.0})")));
  EXPECT_FALSE(same_query_value(*parse_json(R"({"a":1})"), *parse_json(R"({"a":"1"})")));
  EXPECT_FALSE(same_query_value(*parse_json(R"({"a":1})"), *parse_json(R"({"b":1})")));
}

}  // namespace
}  // namespace kyanite
