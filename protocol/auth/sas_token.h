#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// Where far future expiries saturate (the year 2255): adding the allowed skew, or turning the time that is
// left into a timer of nanoseconds, cannot overflow.
inline constexpr WallTime kSasExpiryMax{seconds{9'000'000'000}};

// A parsed SharedAccessSignature; nothing in it is proven yet (spec device-mqtt.md section 3).
struct SasToken {
  std::string resource_raw;  // sr exactly as it stands in the token: what the signature covers
  std::string expiry_raw;    // se exactly as it stands
  std::string signature;     // decoded bytes of sig
  std::string policy;        // skn, decoded; empty for a device or module token
  // se as time; far future values (up to 2^63) become kSasExpiryMax.
  WallTime expiry{};
};

// Fields in any order, names in any case, first '=' splits, a duplicate field is refused.
// Errors: Errc::unauthorized with the reason in detail (for `sas explain` and the log).
Result<SasToken> parse_sas_token(std::string_view text);

// True when HMAC-SHA256 over "sr\nse" with the base64 key gives the signature; constant time.
bool sas_signature_matches(const SasToken& token, std::string_view key_base64);
// The same with the text of the key as the secret, undecoded: what Event Hubs SDKs sign with (spec amqp.md
// 3.3).
bool sas_signature_matches_text(const SasToken& token, std::string_view key_base64);

// What a scope opens: the hub, everything below it, or one identity and what is below it.
struct SasResource {
  std::vector<std::string> segments;  // decoded once, host first, without scheme, port and trailing slash
};
// Decodes once and drops the suffix "/api-version=..." or "/?api-version=..." of a device's or module's
// resource. Errors: Errc::unauthorized with the reason.
Result<SasResource> parse_sas_resource(std::string_view resource_raw);

// Whole-segment prefix rule against the identity's path devices/{d}[/modules/{m}] on one of the accepted
// hosts (spec device-mqtt.md 3.4, service-rest.md 2.1). hub-wide scopes are covered too; who may use them is
// the Authenticator's business.
bool sas_scope_covers(const SasResource& resource, const Identity& identity,
                      const std::vector<std::string>& accepted_hosts);
// True when the scope is the whole hub: the host alone.
bool sas_scope_is_hub(const SasResource& resource, const std::vector<std::string>& accepted_hosts);

// True when the scope goes down to a device or further; false for the hub alone and for "host/devices", which
// only a policy may use.
bool sas_scope_names_identity(const SasResource& resource);

// The same prefix rule against the decoded path of a REST request (spec service-rest.md 2.1): the scope
// "host/devices/d1" opens /devices/d1 and what is below it, not /devices/d10.
bool sas_scope_covers_path(const SasResource& resource, const std::vector<std::string>& path,
                           const std::vector<std::string>& accepted_hosts);

// Makes a token as the SDKs do (CLI, tests, load generator). resource is not yet encoded. Empty when the key
// is not base64.
std::string make_sas_token(std::string_view resource, std::string_view key_base64,
                           std::int64_t expiry_seconds, std::string_view policy = {});

}  // namespace kyanite
