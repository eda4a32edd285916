#pragma once

#include <optional>
#include <string>

#include "protocol/base/result.h"
#include "server/hub/device_messages.h"
#include "server/hub/hub_security.h"

// Pure judgement of credentials (spec device-mqtt.md 2.5 to 2.7, 3; service-rest.md 2). Every refusal is
// Errc::unauthorized (or device_disabled, found out only after the credential was proven) with the reason in
// detail.
namespace kyanite {

struct AuthVerdict {
  AuthScope scope = AuthScope::device;
  AuthKind kind = AuthKind::sas;
  std::optional<WallTime> expiry;  // of the token or the certificate, without grace
};

// `identity` is the connecting device or module; `device_status` that of its device.
Result<AuthVerdict> authenticate_device(const IdentityRecord& identity, IdentityStatus device_status,
                                        const Credentials& credentials, const HubSecurity& security,
                                        WallTime now);

// A service call: Authorization header of a policy token that must hold the rights needed. Device tokens are
// refused.
Result<void> authorize_service(std::string_view authorization, NeededRights needed,
                               const std::vector<std::string>& path_segments, const HubSecurity& security,
                               WallTime now);

}  // namespace kyanite
