#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"

// Checks values against kyanite.schema.json with valijson and words the outcome for people.
namespace kyanite {

std::string_view config_schema_text();  // kyanite.schema.json, embedded at build
const nlohmann::json& config_schema();  // the same, parsed once

// The part of the schema at "listen.mqtts"; nullptr when there is no such key.
const nlohmann::json* schema_at(std::string_view path);
// All keys that hold a value, in the schema's order: "dataDirectory", "hub.hostNames", ...
const std::vector<std::string>& schema_keys();

// Nothing when the value of the key obeys the schema, else what is wrong and how to mend it.
std::optional<Problem> check_value(std::string_view path, const nlohmann::json& value, std::string where);

// The known name most like `name` when it is close enough to be a slip.
std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace kyanite
