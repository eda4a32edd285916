#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/hub/device_messages.h"

// An item of a bulk request, an import or a start file (spec service-rest.md 4.9).
namespace kyanite {

enum class ImportMode : std::uint8_t {
  create,
  update,
  update_if_match,
  create_or_update,
  create_or_update_if_match,
  erase,
  erase_if_match,
  update_twin,
  update_twin_if_match,
};
// As the service writes them: "create", "updateIfMatchETag", ...
std::string_view to_text(ImportMode mode);
// Ignores case; nothing when there is no such mode.
std::optional<ImportMode> import_mode_from_text(std::string_view text);
bool needs_etag(ImportMode mode);  // of the identity or, for twins, of the twin

struct RegistryItem {
  ImportMode mode = ImportMode::create_or_update;
  IdentityRecord wanted;                 // the id and the writable fields
  std::optional<IfMatch> if_match;       // eTag
  std::optional<IfMatch> twin_if_match;  // twinETag
  // The sections of a twin: patches that passed check_section(), without empty ones.
  std::optional<Json> tags;
  std::optional<Json> desired;
  std::optional<Json> reported;  // counts for an identity that is created
  // Which writable members the item names; a start file leaves the others alone.
  struct Named {
    bool authentication = false;
    bool status = false;
    bool status_reason = false;
    bool capabilities = false;
    bool device_scope = false;
    bool parent_scopes = false;
    bool managed_by = false;
  } named;
  // Why the item cannot be carried out, whatever the state of the hub.
  std::optional<Error> fault;

  bool names_twin() const { return tags || desired; }
};

// What became of each item, by its place; nothing when it was carried out.
using ItemErrors = std::vector<std::optional<Error>>;

}  // namespace kyanite
