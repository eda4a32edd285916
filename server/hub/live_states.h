#pragma once

#include <vector>

#include "protocol/base/unique_function.h"
#include "server/hub/device_router.h"
#include "storage/document_store.h"

namespace kyanite {

// Asks the owners of all these identities, which are in the order of ids, what they know to be live, and
// hands it over on `home`, in the same order; whom the owner has not heard of since the start has the times
// that the store kept. An owner that does not answer leaves the state of nobody connected. Call it on `home`.
using AfterLiveStates = UniqueFunction<void(std::vector<LiveState>)>;
void ask_live_states(Executor& home, DeviceRouter& router, DocumentStore& documents,
                     std::vector<Identity> identities, AfterLiveStates then);

}  // namespace kyanite
