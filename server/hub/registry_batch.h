#pragma once

#include <vector>

#include "server/hub/registry_item.h"
#include "server/hub/registry_service.h"

namespace kyanite {

// Carries out the items of one request (spec service-rest.md 4.9), each for itself: those of one device in
// the order given, others side by side. Of an identity that is listed twice nothing is carried out
// (Errc::device_listed_twice for each of its items).
//
// The twin of an identity that is created is committed with it. Of one that is there already tags and desired
// properties are merged after the identity was written; an error of that is the item's. Of a system module,
// which nobody may write, createOrUpdate does the twin alone.
//
// Bound: limits::kBulkItemsMax items, so that they fit the queue of one device. Runs on the shard of
// `executor`, which is the registry's; the registry outlives the reply.
void apply_items(Executor& executor, RegistryService& registry, std::vector<RegistryItem> items,
                 Reply<ItemErrors> reply);

}  // namespace kyanite
