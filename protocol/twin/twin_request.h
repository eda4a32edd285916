#pragma once

#include <string_view>

#include "protocol/twin/twin_document.h"

// The bodies that ask for a change of a twin. What these functions return has passed every rule of
// twin_limits.h but the size of the whole section, which depends on what is stored.
namespace kyanite {

// A device's PATCH of its reported properties (spec device-mqtt.md 6.4). $version and $metadata at the top
// are left out. Errors: argument_invalid, also for what is not JSON, since devices know one code for both.
Result<Json> parse_reported_patch(std::string_view body);

// A back end's body: tags and properties.desired, all else is ignored (service-rest.md 5.3). Clients send
// back whole twins with their metadata. `nulls` is refused for a PUT. Errors: format_error, argument_invalid.
Result<TwinSections> parse_twin_request(std::string_view body, Nulls nulls);

}  // namespace kyanite
