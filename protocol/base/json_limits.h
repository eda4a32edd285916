#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "protocol/base/limits.h"
#include "protocol/base/result.h"

namespace kyanite {

// Object members keep the order they were written in; the service's documents have a fixed order.
using Json = nlohmann::ordered_json;

// Parses UTF-8 JSON without exceptions. Errors: Errc::format_error for bad syntax, invalid UTF-8, nesting
// beyond depth_max, or an object with more than limits::kJsonMembersMax members. A leading BOM is skipped.
Result<Json> parse_json(std::string_view text, std::size_t depth_max = limits::kJsonDepthMax);

// Text form; invalid UTF-8 inside strings is replaced, never thrown.
std::string dump_json(const Json& json);

// Member lookup ignoring ASCII case, as requests need (spec service-rest.md 1.8); nullptr when absent.
const Json* find_member(const Json& object, std::string_view name);

}  // namespace kyanite
