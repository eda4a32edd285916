#include "protocol/twin/twin_request.h"

#include <utility>

namespace kyanite {
namespace {

void drop_system_members(Json& section) {
  if (!section.is_object()) return;
  section.erase("$version");
  section.erase("$metadata");
}

// A named section: null as it is, anything else by the rules.
Result<std::optional<Json>> section_of(Json* value, TwinSection section, Nulls nulls) {
  if (!value) return std::optional<Json>();
  if (!value->is_null()) {
    drop_system_members(*value);
    const Result<void> checked = check_section(*value, section, nulls);
    if (!checked) return checked.error();
  }
  return std::optional<Json>(std::move(*value));
}

}  // namespace

Result<Json> parse_reported_patch(std::string_view body) {
  Result<Json> json = parse_json(body, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!json) return Error(Errc::argument_invalid, "reported: " + json.error().detail);
  drop_system_members(*json);
  const Result<void> checked = check_section(*json, TwinSection::reported, Nulls::delete_members);
  if (!checked) return checked.error();
  return json;
}

Result<TwinSections> parse_twin_request(std::string_view body, Nulls nulls) {
  Result<Json> json = parse_json(body, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!json) return json.error();
  if (!json->is_object()) return Error(Errc::argument_invalid, "the body must be a JSON object");
  Json* properties = find_member(*json, "properties");
  if (properties && !properties->is_object() && !properties->is_null())
    return Error(Errc::argument_invalid, "properties: must be a JSON object");
  Result<std::optional<Json>> tags = section_of(find_member(*json, "tags"), TwinSection::tags, nulls);
  if (!tags) return tags.error();
  Json* desired = properties ? find_member(*properties, "desired") : nullptr;
  Result<std::optional<Json>> checked = section_of(desired, TwinSection::desired, nulls);
  if (!checked) return checked.error();
  return TwinSections{std::move(*tags), std::move(*checked)};
}

}  // namespace kyanite
