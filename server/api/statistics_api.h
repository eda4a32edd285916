#pragma once

#include "server/api/api_call.h"

// Counts of the registry and of live connections (service-rest.md 4.3).
namespace kyanite {

void device_statistics(const ApiCall& call, Reply<HttpResponse> reply);
void service_statistics(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
