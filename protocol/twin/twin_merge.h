#pragma once

#include "protocol/base/json_limits.h"

// The merge patch of twins (spec device-mqtt.md 6.4, service-rest.md 5.3). All of this takes time that grows
// with the two objects, not with their product.
namespace kyanite {

// Merges `patch` into `target`, both objects: null deletes a member, objects merge, everything else (arrays
// too) replaces, and an object replaces a scalar. What is left of the order stays; new members come last.
void merge_patch(Json& target, const Json& patch);

// The patch that turns `from` into `to`, both objects without null: what changed, and null for what is gone.
// Nothing changed is {}.
Json diff_patch(const Json& from, const Json& to);

// The part of `wanted` that `current` does not have, both objects without null: merging it gives both.
Json missing_part(const Json& current, const Json& wanted);

// Adds to `target` what it has no value for, and tells what was added, {} for nothing: where one of the two
// has an object and the other something else, the target's counts.
Json add_missing(Json& target, const Json& wanted);

// Whether two values are the same to their readers: the order of members does not count, 1 and 1.0 differ.
bool same_json(const Json& a, const Json& b);

}  // namespace kyanite
