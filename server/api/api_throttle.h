#pragma once

#include <cstddef>

#include "protocol/base/result.h"
#include "protocol/http/routes.h"
#include "server/hub/hub_services.h"

// The service's rate limits and quota on REST (device-mqtt.md 9.3, 9.4; service-rest.md 12). Nothing is
// refused while the setting limits.tier is `off`.
namespace kyanite {

// Before the operation. Errors: throttled, quota_exceeded.
Result<void> admit_by_rate(HubServices& services, Operation operation, std::size_t body_bytes);
// After it succeeded: what the answer adds.
void meter_answer(HubServices& services, Operation operation, std::size_t body_bytes);

// The same for a cloud-to-device message, whose operation tells of the refusal.
Result<void> admit_c2d_by_rate(HubServices& services, std::size_t body_bytes);
// The same for direct methods, which are metered by what the device gets and answers (9.3).
Result<void> admit_call_by_rate(HubServices& services, std::size_t payload_bytes);
void meter_call_answer(HubServices& services, std::size_t payload_bytes);

}  // namespace kyanite
