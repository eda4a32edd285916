#pragma once

#include <cstdint>
#include <vector>

#include "server/api/seed_file.h"
#include "server/hub/registry_service.h"

namespace kyanite {

struct SeedOutcome {
  std::uint64_t created = 0;
  std::uint64_t updated = 0;
  std::uint64_t unchanged = 0;
  Problems problems;  // as in SeedFile; the other items were applied all the same
};

// Brings the registry to what the items of a start file say, so that applying a file twice writes nothing the
// second time. What an item does not name stays as it is: keys above all, and status. Tags and desired
// properties are merged; reported properties count only for an identity that is created. An item with the
// mode create leaves an identity alone that is there. Configurations follow, one after the other.
//
// Runs on the shard of `executor`, before anybody else may write. Bound: kSeedInFlight items at a time.
inline constexpr std::size_t kSeedInFlight = 64;
void apply_seed(Executor& executor, RegistryService& registry, ConfigurationService& configurations,
                Seed seed, Reply<SeedOutcome> reply);

}  // namespace kyanite
