#pragma once

#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "server/hub/device_messages.h"
#include "server/hub/twin_row.h"

// Identities as the registry's JSON documents (service-rest.md 4.2, 4.8) and back.
namespace kyanite {

Json device_to_json(const IdentityView& view);
Json module_to_json(const IdentityView& view);

// `type` comes last: the C# SDK changes it as a side effect of setting the others (service-rest.md 4.2).
Json authentication_to_json(const IdentityRecord& record, bool with_keys = true);

// Reads the writable fields of a PUT body; names and enum values ignore case, read-only and unknown members
// are ignored, null means absent (service-rest.md 1.8, 4.4, 4.5). `path` is the identity named by the path.
// Errors: Errc::format_error for text that is not JSON; Errc::argument_invalid with a sentence for the rest.
// What needs no JSON to judge (ids, keys, thumbprints) is judged by validate_identity().
Result<IdentityRecord> parse_identity_body(std::string_view body, const Identity& path);

// The members themselves, into a record whose id is set: those of a device, or of a module when the id is
// one's. Errors: Errc::argument_invalid.
Result<void> read_identity_members(const Json& object, IdentityRecord& into);

}  // namespace kyanite
