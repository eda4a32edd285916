#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "protocol/base/limits.h"
#include "protocol/base/result.h"

namespace kyanite {

// Object members keep the order they were written in; the service's documents have a fixed order.
using Json = nlohmann::ordered_json;

// What becomes of an integer that 64 bits cannot hold.
enum class HugeIntegers { as_floating_point, refused };

// Parses UTF-8 JSON without exceptions, in time that grows with the text alone. Of members with one name the
// last wins. A leading BOM is skipped. Errors: Errc::format_error for bad syntax, invalid UTF-8, nesting
// beyond depth_max, or an object with more than limits::kJsonMembersMax members; argument_invalid for a huge
// integer that is refused.
Result<Json> parse_json(std::string_view text, std::size_t depth_max = limits::kJsonDepthMax,
                        HugeIntegers huge = HugeIntegers::as_floating_point);

// Text form; invalid UTF-8 inside strings is replaced, never thrown.
std::string dump_json(const Json& json);

// Member lookup ignoring ASCII case, as requests need (spec service-rest.md 1.8); nullptr when absent.
const Json* find_member(const Json& object, std::string_view name);
Json* find_member(Json& object, std::string_view name);

// The member's text, or an empty one where `json` is no object, has no such member, or it is no string.
std::string text_member(const Json& json, std::string_view name);

// The members of an object as the vector they are.
using JsonMembers = std::vector<std::pair<const std::string, Json>>;
inline JsonMembers& members_of(Json& object) { return object.get_ref<Json::object_t&>(); }
inline const JsonMembers& members_of(const Json& object) { return object.get_ref<const Json::object_t&>(); }

// Appends a member whose name is new, without looking for it among the others.
Json& append_member(JsonMembers& members, std::string name, Json value);

}  // namespace kyanite
