#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/settings.h"
#include "protocol/auth/access_policy.h"
#include "server/hub/store_control.h"

namespace kyanite {

// What the store becomes before the hub begins anew.
struct StoreChange {
  std::string snapshot;                // empty: a new store
  std::vector<AccessPolicy> policies;  // of the present hub; a new store keeps them
  StoreControl::Changed changed;       // tells whoever asked
};

// Prepares the changed store beside `store` and lets both change places, in one step for whoever starts next.
// Nothing uses either. Errors: io_failed, and those of the store; it is as it was then.
Result<void> change_store(const std::filesystem::path& data, const StoreChange& change,
                          const Settings::Storage& settings);

// Uploaded files lie in the store's folder, so that both change together. They are never written to again
// under one name, so that links share them. Of a store that is in use: what a caller was told is there is
// linked. Errors: io_failed.
Result<void> link_uploaded_files(const std::filesystem::path& store, const std::filesystem::path& to);

}  // namespace kyanite
