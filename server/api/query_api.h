#pragma once

#include "server/api/api_call.h"

// POST /devices/query (service-rest.md 6).
namespace kyanite {

void query_devices(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
