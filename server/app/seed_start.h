#pragma once

#include <filesystem>
#include <vector>

#include "server/api/seed_file.h"
#include "server/app/hub_shard.h"

namespace kyanite {

// Reads the start file; what is wrong with it goes to `problems`, in the operator's words.
Seed read_seed_file(const std::filesystem::path& file, Problems& problems);

// Applies the items on the shard and waits for it: the shards run, and nobody else is served yet. Errors:
// Errc::config_invalid with a line for each item that could not be applied.
Result<void> apply_seed_at_start(HubShard& hub_shard, const std::filesystem::path& file,
                                 ConfigurationService& configurations, Seed seed);

}  // namespace kyanite
