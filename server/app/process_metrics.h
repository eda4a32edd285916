#pragma once

#include "server/admin/hub_metrics.h"

namespace kyanite {

// What the system says about this process; what it does not say is 0. Reads files: not for a shard.
ProcessMetrics read_process_metrics();

}  // namespace kyanite
