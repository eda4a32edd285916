#pragma once

#include "server/api/api_call.h"

// Twins of devices and modules (service-rest.md 5.2). Each answers with the whole document. A missing module
// answers DeviceNotFound too, as the service does.
namespace kyanite {

void get_twin(const ApiCall& call, Reply<HttpResponse> reply);
void patch_twin(const ApiCall& call, Reply<HttpResponse> reply);
void put_twin(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
