#pragma once

#include <string>
#include <string_view>

namespace kyanite {

// %XX to bytes; '+' stays '+'; a '%' not followed by two hex digits stays literal, as the service and the
// SDKs that do not encode expect (spec device-mqtt.md 4.2, service-rest.md 1.4).
std::string percent_decode(std::string_view text);

// Encodes everything except A-Z a-z 0-9 - . _ ~, with upper-case hex (spec device-mqtt.md 5.2).
std::string percent_encode(std::string_view text);

bool is_valid_utf8(std::string_view text);

// ASCII only, as header names, hosts and field names are.
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string to_lower_ascii(std::string_view text);

}  // namespace kyanite
