#pragma once

#include "server/api/api_call.h"

// Scheduled jobs (service-rest.md 9.1).
namespace kyanite {

void put_job(const ApiCall& call, Reply<HttpResponse> reply);
// An unknown job answers 200 with the type and the status "unknown".
void get_job(const ApiCall& call, Reply<HttpResponse> reply);
void cancel_job(const ApiCall& call, Reply<HttpResponse> reply);
// A bare array, page by page: headers x-ms-max-item-count, x-ms-continuation.
void query_jobs(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
