#pragma once

#include <filesystem>
#include <optional>
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

// An empty store made ahead of time, since making one takes longer than all else of a reset.
//
// Owner: the serve command; used by its thread.
struct EmptyStore {
  std::optional<std::vector<AccessPolicy>> policies;  // that it has; nothing: there is none
};
// Makes one, unless there is one with these policies. What fails is made again when it is needed.
void prepare_empty_store(const std::filesystem::path& data, const std::vector<AccessPolicy>& policies,
                         const Settings::Storage& settings, EmptyStore& empty);

// Removes what a hub left that was killed within a change, or prepared an empty store.
void remove_unused_stores(const std::filesystem::path& data);

// Prepares the changed store beside `store` and lets both change places, in one step for whoever starts next.
// Nothing uses either. Errors: io_failed, and those of the store; it is as it was then.
Result<void> change_store(const std::filesystem::path& data, const StoreChange& change,
                          const Settings::Storage& settings, const EmptyStore& empty);

// Uploaded files lie in the store's folder, so that both change together. They are never written to again
// under one name, so that links share them. Of a store that is in use: what a caller was told is there is
// linked. Errors: io_failed.
Result<void> link_uploaded_files(const std::filesystem::path& store, const std::filesystem::path& to);

}  // namespace kyanite
