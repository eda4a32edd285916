#pragma once

#include "server/api/api_call.h"

// Digital twins of devices (service-rest.md 9.3): views of the twin, and commands, which are direct methods.
// Errors of commands leave in the nested form (3.3); see ApiRouter.
namespace kyanite {

void get_digital_twin(const ApiCall& call, Reply<HttpResponse> reply);
// A JSON Patch of the desired properties: 202 without a body.
void patch_digital_twin(const ApiCall& call, Reply<HttpResponse> reply);
// Of the root, or of a component as the method "component*command".
void invoke_command(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
