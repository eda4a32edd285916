#pragma once

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "server/hub/registry_item.h"

// Items as bulk requests, import and export files and start files write them (service-rest.md 4.9).
namespace kyanite {

// Reads one item; names and enum values ignore case, null means absent, unknown members are ignored. What is
// wrong beyond the id is the item's `fault`, so that the others of the request can go on. Errors:
// Errc::argument_invalid when it is no object with an id.
Result<RegistryItem> parse_registry_item(Json item);

// The line of an export: what an import needs to make the same identity again, keys included unless
// `with_keys` is false. Errors: Errc::internal when the stored twin cannot be read.
Result<Json> registry_item_to_json(const IdentityRecord& record, const TwinRecord& twin, bool with_keys);

// What went wrong, in the words of the error's detail where it helps, else of the catalogue.
std::string error_sentence(const Error& error);

}  // namespace kyanite
