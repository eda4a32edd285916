#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/query/query.h"

// Names and times of the service inside queries (spec service-rest.md 6.3 to 6.5).
namespace kyanite {

// Takes the alias or the name of the source off the front of `path`, and gives the names of the service their
// canonical spelling, whatever case they were written in. Names of the user stay as they are.
void resolve_query_path(QueryPath& path, QuerySource source, std::string_view alias);

// What the result calls the value of a path: its last name; nothing when it ends in an array.
std::optional<std::string> query_path_name(const QueryPath& path);

// What rows call the value, where it is not what queries call it: statusUpdatedTime.
void store_query_path(QueryPath& path, QuerySource source);

// Whether the value of a path is a time the hub writes.
bool is_system_time(const QueryPath& path);

// A date or a date with a time, of any zone and precision, in the form that the hub writes; nothing for
// another text.
std::optional<std::string> canonical_query_time(std::string_view text);

}  // namespace kyanite
