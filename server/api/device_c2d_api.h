#pragma once

#include "server/api/api_call.h"

// Cloud-to-device messages as a device that polls sees them (service-rest.md 9.6).
namespace kyanite {

// GET …/messages/devicebound: one message under a lock, or 204 at once. The lock's time in seconds is in the
// header IotHub-MessageLockTimeout or the query parameter of that name.
void receive_c2d(const ApiCall& call, Reply<HttpResponse> reply);
// DELETE …/messages/devicebound/{lock}: completes, with the query parameter "reject" rejects.
void complete_c2d(const ApiCall& call, Reply<HttpResponse> reply);
// POST …/messages/devicebound/{lock}/abandon
void abandon_c2d(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
