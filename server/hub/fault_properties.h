#pragma once

#include <string_view>
#include <vector>

#include "server/hub/fault_rule.h"

namespace kyanite {

// The faults a device asks for by properties of its telemetry, as the service's own tests of the device SDKs
// do: AzIoTHub_FaultOperationType with ...CloseReason, ...DelayInSecs and ...DurationInSecs (or InSeconds).
// KillTcp and ShutDownMqtt drop the connection after the delay; InvokeThrottling and InvokeMaxMessageQuota
// drop it at each PUBLISH of the duration; InvokeAuthError drops it and refuses CONNECT with 5 meanwhile.
// Faults of AMQP links and unknown ones ask for nothing. `bag` is encoded, as in the topic.
std::vector<FaultRule> faults_asked_for(std::string_view bag, const Identity& identity);

}  // namespace kyanite
