// The first line is a query or a condition, what follows a row. What is accepted runs over any row: projected
// names are unique and named by SELECT, conditions are true or false, aggregates take the row.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/query/query_aggregation.h"
#include "protocol/query/query_evaluator.h"

namespace {

using namespace kyanite;

void check_refusal(const Error& error) {
  KYANITE_ASSERT(error.code == Errc::argument_invalid);
  KYANITE_ASSERT(error.detail.find(';') == std::string::npos && error.detail.size() < 400);
}

void check_query(std::string_view text, const Json& row) {
  const Result<Query> query = parse_query(text);
  if (!query) return check_refusal(query.error());
  (void)paths_of(*query);
  (void)matches(*query, row);
  if (query->aggregates()) {
    QueryAggregation aggregation(*query);
    if (!aggregation.add(row)) return;
    KYANITE_ASSERT(aggregation.add(row));
    const auto rows = aggregation.rows("", 10);
    KYANITE_ASSERT(rows.size() == 1 && aggregation.rows(rows[0].key, 10).empty());
    KYANITE_ASSERT(!dump_json(rows[0].row).empty());
    return;
  }
  const Json projected = project(*query, row);
  KYANITE_ASSERT(query->selects_everything() || projected.size() <= query->items.size());
  KYANITE_ASSERT(parse_json(dump_json(projected), 200));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), input.size());
  const Result<Json> parsed = parse_json(input.substr(std::min(line + 1, input.size())));
  const Json row = parsed && parsed->is_object() ? *parsed : Json::object();
  check_query(input.substr(0, line), row);
  const Result<QueryCondition> condition = parse_condition(input.substr(0, line));
  if (!condition) {
    check_refusal(condition.error());
  } else {
    (void)matches(*condition, row);
  }
  return 0;
}
