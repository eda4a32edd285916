#pragma once

#include "server/api/api_call.h"

// Import and export jobs (service-rest.md 4.11).
namespace kyanite {

void create_registry_job(const ApiCall& call, Reply<HttpResponse> reply);
void list_registry_jobs(const ApiCall& call, Reply<HttpResponse> reply);
void get_registry_job(const ApiCall& call, Reply<HttpResponse> reply);
void cancel_registry_job(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
