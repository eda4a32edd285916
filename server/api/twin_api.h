#pragma once

#include "server/api/api_call.h"

// Twins of devices and modules (service-rest.md 5.2).
namespace kyanite {

// A missing module answers DeviceNotFound too, as the service does.
void get_twin(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
