#pragma once

#include <vector>

#include "protocol/base/unique_function.h"
#include "server/hub/device_router.h"

namespace kyanite {

// Asks the owners of all these identities what they know to be live, and hands it over on `home`, in the
// order asked; an owner that does not answer leaves the state of nobody connected. Call it on `home`.
using AfterLiveStates = UniqueFunction<void(std::vector<LiveState>)>;
void ask_live_states(Executor& home, DeviceRouter& router, std::vector<Identity> identities,
                     AfterLiveStates then);

}  // namespace kyanite
