#pragma once

#include "protocol/base/json_limits.h"
#include "server/api/api_call.h"

namespace kyanite {

// GET /kyanite/v1/messages?device=ID: what waits for the device and how the latest messages ended. Nothing is
// consumed by it, neither a message nor feedback. Errors: argument_invalid, device_not_found.
void list_c2d(const ApiCall& call, Reply<HttpResponse> reply);

// {"deviceId", "queued": [...] the oldest first, "ended": [...] the newest first}; bodies and properties are
// not in it.
Json c2d_listing_to_json(const std::string& device, const C2dListing& listing);

}  // namespace kyanite
