#pragma once

#include <string>
#include <string_view>

#include "server/hub/hub_observer.h"

namespace kyanite {

// The `properties` of the service's connection log (spec device-mqtt.md 10.5): JSON text with deviceId,
// moduleId (modules only), protocol, authType, maskedIpAddress and sdkVersion.
std::string connection_properties(const ConnectionFacts& connection);

// "192.0.2.7" as "192.0.2.XXX", "2001:db8::7" as "2001:db8::XXX".
std::string masked_address(std::string_view address);

}  // namespace kyanite
