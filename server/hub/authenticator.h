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

struct BearerGrant {
  Rights rights;
  WallTime expiry = WallTime::max();  // without grace; of a fixed token of test control: never
};
// What a bearer token (without its scheme) opens: by the rules of the settings, what its claims are granted.
// Errors: unauthorized, also when that is nothing.
Result<BearerGrant> judge_bearer_token(std::string_view token, const HubSecurity& security, WallTime now);

// Whether a refused Authorization is a bearer token by a key of the issuer that is not known yet.
bool may_need_newer_keys(std::string_view authorization, const HubSecurity& security);

// Whose credential a request on a route of devices carries.
enum class DeviceCaller : std::uint8_t {
  policy,  // proven: a policy with DeviceConnect; whether the identity takes tokens its owner knows
  own,     // of the identity itself; not proven yet: only its owner can
};
// A request on a route of devices, as far as it can be judged without the identity
// (service-rest.md 2.1, 2.4). `has_certificate`: the peer presented one, so that a token may be missing.
Result<DeviceCaller> judge_device_caller(std::string_view authorization, bool has_certificate,
                                         const std::vector<std::string>& path_segments,
                                         const HubSecurity& security, WallTime now);

}  // namespace kyanite
