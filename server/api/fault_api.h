#pragma once

#include "server/api/api_call.h"
#include "server/hub/active_faults.h"

// Fault injection under test control, /kyanite/v1/faults: there only with the setting testControl, for a
// policy with every right. Faults never hit the routes of test control itself.
namespace kyanite {

void list_faults(const ApiCall& call, Reply<HttpResponse> reply);   // {"faults":[...]}
void add_fault(const ApiCall& call, Reply<HttpResponse> reply);     // the rule with its id, in force by then
void delete_fault(const ApiCall& call, Reply<HttpResponse> reply);  // one; 204
void clear_faults(const ApiCall& call, Reply<HttpResponse> reply);  // all; 204

// What an http_error answers with.
Error error_of(const FaultRule& rule);

}  // namespace kyanite
