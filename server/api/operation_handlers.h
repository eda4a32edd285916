#pragma once

#include "server/api/api_call.h"

namespace kyanite {

// What carries out an operation, once its request was let in. It answers exactly once, on the shard of the
// call.
using OperationHandler = void (*)(const ApiCall& call, Reply<HttpResponse> reply);

// Every operation of protocol/http/routes.h has one.
OperationHandler handler_of(Operation operation);

}  // namespace kyanite
