#pragma once

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "server/hub/device_messages.h"

namespace kyanite {

// The whole twin document, as every twin route returns it (service-rest.md 5.1).
// Errors: Errc::internal when stored text is not JSON.
Result<Json> twin_to_json(const IdentityView& view, const TwinRecord& twin);

}  // namespace kyanite
