#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/query/query.h"
#include "protocol/query/query_value.h"

// The functions of the language (spec service-rest.md 6.5).
namespace kyanite {

struct QuerySignature {
  QueryFunction function;
  std::size_t arguments_min;
  std::size_t arguments_max;
};

// By name, in any case, with or without underscores; nothing when there is none.
std::optional<QuerySignature> find_query_function(std::string_view name);

// The result for as many arguments as the signature asks for. An argument of the wrong type gives undefined.
// Letters have cases in ASCII only; lengths and places count characters.
QueryValue call_query_function(QueryFunction function, const std::vector<QueryValue>& arguments);

}  // namespace kyanite
