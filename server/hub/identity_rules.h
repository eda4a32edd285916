#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "storage/records.h"

// What the registry makes of a wanted identity (spec service-rest.md 4.4, 4.5, 4.7, 4.8). Pure apart from the
// random numbers in keys, generation ids and first etags. `wanted` has passed validate_identity().
namespace kyanite {

// A new identity: generation, first etag, keys where none were given, the scope of an edge device. With
// `keep_scope` a scope that carries the device's own id stays.
IdentityRecord create_record(const IdentityRecord& wanted, WallTime now, bool keep_scope = false);

// A full replacement of the writable fields. Errors: Errc::device_scope_invalid (the scope of an edge device
// is immutable and must be repeated).
Result<IdentityRecord> replace_record(const IdentityRecord& current, const IdentityRecord& wanted,
                                      WallTime now);

// $edgeAgent and $edgeHub, which come and go with the edge capability.
std::vector<IdentityRecord> system_modules(const std::string& device, WallTime now);
bool is_system_module(const Identity& id);

// The twin an identity is born with (5.5).
TwinRecord new_twin(WallTime now);

// True when nothing that proved `before` proves `after`: other keys, other thumbprints, or another type.
bool credentials_replaced(const IdentityRecord& before, const IdentityRecord& after);

}  // namespace kyanite
