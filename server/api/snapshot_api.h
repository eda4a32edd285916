#pragma once

#include "server/api/api_call.h"

// The store under test control, /kyanite/v1/reset and /kyanite/v1/snapshots: there only with the setting
// testControl, for a policy with every right. What changes the store answers 202 with {"incarnation":n}: it
// is done when /kyanite/v1/status says that incarnation.
namespace kyanite {

void reset_hub(const ApiCall& call, Reply<HttpResponse> reply);
void list_snapshots(const ApiCall& call, Reply<HttpResponse> reply);  // {"snapshots":[...]}
void put_snapshot(const ApiCall& call, Reply<HttpResponse> reply);
void delete_snapshot(const ApiCall& call, Reply<HttpResponse> reply);  // 204
void restore_snapshot(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
