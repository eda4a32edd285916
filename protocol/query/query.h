#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"

// The query language (spec service-rest.md 6.3 to 6.6) after parsing: plain values that say what to select,
// from which rows, under which condition. Every number of them is bounded by the length of a query's text.
namespace kyanite {

enum class QuerySource : std::uint8_t { devices, modules, device_jobs };

// A way into a row: names of members and places in arrays. The first name is one of the service's in its
// canonical spelling, or one that no row has. An alias or the name of the source in front is gone already.
struct QueryPath {
  using Step = std::variant<std::string, std::size_t>;
  std::vector<Step> steps;
  friend bool operator==(const QueryPath&, const QueryPath&) = default;
};

enum class QueryFunction : std::uint8_t {
  is_defined,
  is_array,
  is_bool,
  is_null,
  is_number,
  is_object,
  is_primitive,
  is_string,
  as_number,
  starts_with,
  ends_with,
  contains,
  index_of,
  length,
  lower,
  upper,
  substring,
  concat,
  abs,
  exp,
  power,
  square,
  ceiling,
  floor,
  sign,
  sqrt,
  array_contains,
};

enum class QueryOperator : std::uint8_t {
  constant,
  undefined,
  path,
  function,
  any_of,  // OR over all operands
  all_of,  // AND over all operands
  negation,
  equal,
  not_equal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  in,
  not_in,
  add,
  subtract,
  multiply,
  divide,
  remainder,
  minus,
  plus,
};

// A node of a condition or a projection. Bound: at most limits::kQueryDepthMax nodes from the root down.
struct QueryExpression {
  QueryOperator op = QueryOperator::undefined;
  Json constant;  // of a constant: a scalar or a list of scalars
  QueryPath path;
  QueryFunction function = QueryFunction::is_defined;
  std::vector<QueryExpression> operands;
  std::size_t height = 1;
};

enum class QueryAggregate : std::uint8_t { none, count, average, sum, minimum, maximum };

struct QueryItem {
  std::string name;  // in the result: the alias, the last segment of the path, or $1, $2 ...
  QueryAggregate aggregate = QueryAggregate::none;
  // What is projected or aggregated; nothing for COUNT. Of an aggregate always a path.
  std::optional<QueryExpression> expression;
};

struct Query {
  QuerySource source = QuerySource::devices;
  std::optional<std::uint64_t> top;  // rows over all pages
  std::vector<QueryItem> items;      // none: SELECT *
  std::optional<QueryExpression> condition;
  std::vector<QueryPath> group_by;

  bool selects_everything() const { return items.empty(); }
  // One row for many: there are aggregates, or a GROUP BY.
  bool aggregates() const;
};

// Errors, here and below: Errc::argument_invalid; the detail begins with BadRequest, says where, and holds no
// semicolon (6.6).
Result<Query> parse_query(std::string_view text);

// Which devices or modules a job or a configuration is for: a bare WHERE expression, "*" for all, or either
// with "FROM devices.modules WHERE" in front.
struct QueryCondition {
  QuerySource source = QuerySource::devices;
  std::optional<QueryExpression> expression;  // none: all
};
Result<QueryCondition> parse_condition(std::string_view text);

// Every path that the condition, the items and the groups of the query speak of; valid as long as the query.
std::vector<const QueryPath*> paths_of(const Query& query);
std::vector<const QueryPath*> paths_of(const QueryExpression& expression);

}  // namespace kyanite
