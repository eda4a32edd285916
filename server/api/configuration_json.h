#pragma once

#include <string>
#include <string_view>

#include "protocol/base/json_limits.h"
#include "server/hub/configuration_service.h"

// Automatic configurations as JSON documents (service-rest.md 9.2).
namespace kyanite {

// Lower-case letters, digits and -+%_*!' in 1 to 128 characters.
bool is_valid_configuration_id(std::string_view id);

// The body of a PUT; names ignore case, null means absent. `id` is the path's. Content, condition and metrics
// are judged. Errors: format_error, argument_invalid, configuration_content_invalid,
// configuration_condition_invalid, configuration_metrics_invalid.
Result<ConfigurationRecord> parse_configuration(std::string_view body, const std::string& id);

Json configuration_to_json(const ConfigurationView& view);

// The body of POST testQueries as its answer: what is wrong with the condition and with each query. Errors:
// format_error, argument_invalid.
Result<Json> test_configuration(std::string_view body);

}  // namespace kyanite
