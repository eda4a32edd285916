#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/twin/twin_limits.h"
#include "protocol/twin/twin_metadata.h"

namespace kyanite {

// Desired or reported properties.
struct TwinProperties {
  Json values = Json::object();
  std::optional<TwinMetadata> metadata;  // nothing until the first write
  std::uint64_t version = 1;
};

// What one accepted update did: for each section it wrote the patch from the old state to the new one, null
// for what is gone. Sections it did not write are absent.
struct TwinChange {
  std::optional<Json> tags;
  std::optional<Json> desired;
  std::optional<Json> reported;
  bool is_empty() const { return !tags && !desired && !reported; }
};

// A back end's request: sections by name, null empties one (spec service-rest.md 5.3, 5.4).
struct TwinSections {
  std::optional<Json> tags;
  std::optional<Json> desired;
};

// What one automatic configuration contributes to a write of desired properties.
struct TwinContribution {
  TwinAuthorPtr author;
  Json desired;  // no member of it, at any depth, is in another contribution
};

// TwinDocument is a twin as it is worked on. Its counters follow the table of service-rest.md 5.5.
//
// Updates have passed check_section(). Each happens as a whole or not at all. Errors: message_too_large when
// a section would be over its limit.
struct TwinDocument {
  std::uint64_t version = 2;
  std::uint64_t etag_counter = 1;
  Json tags = Json::object();
  TwinProperties desired;
  TwinProperties reported;

  // The device's patch.
  Result<TwinChange> patch_reported(Json patch, WallTime now);
  // A back end's PATCH. One that names no section changes nothing, no version either.
  Result<TwinChange> merge(TwinSections patch, WallTime now);
  // What configurations want of the desired properties, the most important one first: the part of it that the
  // twin does not have yet is one write. When it has everything, nothing changes.
  Result<TwinChange> contribute(const std::vector<TwinContribution>& wanted, WallTime now);
  // A back end's PUT: a section that is absent or null is emptied.
  Result<TwinChange> replace(TwinSections sections, WallTime now, TwinAuthorPtr author = nullptr);
};

}  // namespace kyanite
