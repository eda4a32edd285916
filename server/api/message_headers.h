#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "protocol/http/request.h"
#include "protocol/topics/property_bag.h"

// How messages travel in HTTP headers (service-rest.md 8.2, 9.5, 9.6).
namespace kyanite {

// The last header of this name; empty when there is none.
std::string_view last_header(const HttpRequest& request, std::string_view name);

// "x" of iothub-app-x; nothing for another header.
std::optional<std::string_view> application_name(std::string_view header);

// Of names that are equal ignoring case the last wins. A header block is small (limits::kHttpHeaderBytesMax),
// so a scan costs little.
void put_application(std::vector<Property>& properties, std::string_view name, std::string_view value);

// What cannot stand in a header, percent-encoded: control characters, and in a name all that is no token.
std::string header_value(std::string_view text);
std::string header_name(std::string_view text);

}  // namespace kyanite
