#pragma once

#include "server/api/api_call.h"

// Cloud-to-device messages as a back end sees them, and the feedback on them (service-rest.md 8).
namespace kyanite {

void send_c2d(const ApiCall& call, Reply<HttpResponse> reply);
void purge_c2d(const ApiCall& call, Reply<HttpResponse> reply);

void receive_feedback(const ApiCall& call, Reply<HttpResponse> reply);
void complete_feedback(const ApiCall& call, Reply<HttpResponse> reply);
void abandon_feedback(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
