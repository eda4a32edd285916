#pragma once

#include "server/api/api_call.h"

// Device and module identities (service-rest.md 4.3 to 4.8).
namespace kyanite {

void get_device(const ApiCall& call, Reply<HttpResponse> reply);
void put_device(const ApiCall& call, Reply<HttpResponse> reply);
void list_devices(const ApiCall& call, Reply<HttpResponse> reply);

void get_module(const ApiCall& call, Reply<HttpResponse> reply);
void put_module(const ApiCall& call, Reply<HttpResponse> reply);
void list_modules(const ApiCall& call, Reply<HttpResponse> reply);

// A device or a module: the path says which.
void delete_identity(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
