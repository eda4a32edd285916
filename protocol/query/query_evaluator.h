#pragma once

#include "protocol/query/query.h"
#include "protocol/query/query_value.h"

// Queries against one row, a JSON object such as a twin (spec service-rest.md 6.5).
namespace kyanite {

QueryValue evaluate(const QueryExpression& expression, const Json& row);

// The value a path leads to; nullptr when the row has none.
const Json* find_query_path(const QueryPath& path, const Json& row);

bool matches(const QueryExpression& condition, const Json& row);
bool matches(const QueryCondition& condition, const Json& row);
bool matches(const Query& query, const Json& row);  // its WHERE

// The row of the result for a query that does not aggregate: what SELECT names, without what is undefined.
Json project(const Query& query, const Json& row);

}  // namespace kyanite
