#pragma once

#include <string>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "server/hub/device_messages.h"

namespace kyanite {

// The whole twin document, as every twin route returns it (service-rest.md 5.1).
// Errors: Errc::internal when stored text is not JSON.
Result<Json> twin_to_json(const IdentityView& view, const TwinRecord& twin);

// base64 of the counter as eight bytes, most significant first (service-rest.md 5.1).
std::string twin_etag(const TwinRecord& twin);

}  // namespace kyanite
