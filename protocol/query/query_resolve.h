#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "protocol/query/query.h"

// What of a query is known only when all of it was read.
namespace kyanite {

// Gives paths the names that rows have (query_names.h), values of SELECT their names, and times that are
// compared with the hub's own their form.
void resolve_query(Query& query, std::string_view alias);
void resolve_query_expression(QueryExpression& expression, QuerySource source, std::string_view alias);

// What no token alone says: names that stand twice, what may stand beside aggregates. `item_positions` are
// those of SELECT's items in the text. Errors: Errc::argument_invalid.
Result<void> check_query(const Query& query, const std::vector<std::size_t>& item_positions);

}  // namespace kyanite
