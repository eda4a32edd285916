#pragma once

#include <string>
#include <string_view>

namespace kyanite {

// Upper-case hex digests of a DER certificate.
std::string sha1_thumbprint(std::string_view der);
std::string sha256_thumbprint(std::string_view der);

// 40 or 64 hex characters without separators (what the registry stores, spec service-rest.md 4.5).
bool is_valid_thumbprint(std::string_view text);

// Registered thumbprint against a presented certificate: SHA-1 or SHA-256, ignoring case, ':' and blanks
// (spec device-mqtt.md 2.6). An empty registered thumbprint matches nothing.
bool thumbprint_matches(std::string_view registered, std::string_view der);

}  // namespace kyanite
