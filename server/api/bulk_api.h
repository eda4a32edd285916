#pragma once

#include "server/api/api_call.h"

// Many identities in one request (service-rest.md 4.9, 4.10).
namespace kyanite {

// POST /devices: creates, updates, deletes; the items are independent of each other.
void bulk_registry(const ApiCall& call, Reply<HttpResponse> reply);

// POST /devices/keys/regenerate: random keys take the place of the chosen ones of each identity.
void regenerate_identity_keys(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
