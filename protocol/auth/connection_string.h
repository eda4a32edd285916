#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/auth/access_policy.h"
#include "protocol/base/result.h"

namespace kyanite {

// "HostName=...;SharedAccessKeyName=...;SharedAccessKey=..." (service) or "...;DeviceId=...;[ModuleId=...;]
// SharedAccessKey=..." (device). Key names in any case, '=' allowed inside values.
struct ConnectionString {
  std::string host_name;  // may carry ":port"
  std::string gateway_host_name;
  std::string device_id;
  std::string module_id;
  std::string policy;
  std::string key;
  bool x509 = false;
  friend bool operator==(const ConnectionString&, const ConnectionString&) = default;
};

// Errors: Errc::argument_invalid naming the part that is missing or repeated, or the place of one that is not
// known. The text of a part is never quoted: it may be a key.
Result<ConnectionString> parse_connection_string(std::string_view text);
std::string to_string(const ConnectionString& value);

// What a back end needs to act under a policy, with its primary key. HTTPS on 443 goes without saying; any
// other port stands behind the host name.
std::string service_connection_string(std::string_view host_name, std::uint16_t https_port,
                                      const AccessPolicy& policy);

// What an Event Hubs client needs to read the event hub `entity` under a policy, with its primary key (spec
// amqp.md 6.1): over TLS (5671 goes without saying, any other port stands behind the host), or as for an
// emulator, without TLS. No other parts: clients refuse those they do not know.
std::string events_connection_string(std::string_view host_name, std::uint16_t amqps_port,
                                     std::string_view entity, const AccessPolicy& policy);
std::string emulator_connection_string(std::string_view host_name, std::uint16_t amqp_port,
                                       std::string_view entity, const AccessPolicy& policy);

}  // namespace kyanite
