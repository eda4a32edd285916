#pragma once

#include <vector>

#include "protocol/auth/access_policy.h"
#include "storage/stores.h"

namespace kyanite {

// Reads the hub-wide records of a store; a new store gets the five shared access policies with random keys
// first. Blocks until the store answered; for the start, before shards run. Errors: those of the store.
Result<HubRecords> load_hub_records(Stores& stores);

// The policy that hub.json speaks for; without a key when an operator's store lacks it.
AccessPolicy owner_of(const std::vector<AccessPolicy>& policies);

// Makes `key` the primary one of the policy iothubowner, in the store and in `records`. The answer says
// whether that changed anything. Blocks the same way; Errc::config_invalid when the store lacks the policy.
Result<bool> set_owner_key(Stores& stores, HubRecords& records, const std::string& key);

// Gives a new store its policies. Blocks the same way.
Result<void> store_policies(Stores& stores, const std::vector<AccessPolicy>& policies);

}  // namespace kyanite
