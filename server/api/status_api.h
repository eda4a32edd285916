#pragma once

#include "server/api/api_call.h"

namespace kyanite {

// GET /kyanite/v1/status: what an operator looks at first.
//
// {version, hostNames, startTime, uptimeSeconds, shards,
//  devices: {total, enabled, disabled, connected},
//  telemetry: {partitions: [{partition, beginOffset, endOffset, lastEnqueuedTime}]},
//  store: {pressure: "none" | "queueFull" | "diskLow"}}
void hub_status(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
