#include "server/api/bulk_item.h"

#include <utility>

#include "protocol/base/error_catalog.h"
#include "protocol/twin/twin_json.h"
#include "protocol/twin/twin_limits.h"
#include "server/api/api_response.h"
#include "server/api/identity_json.h"
#include "server/hub/registry_service.h"
#include "server/hub/twin_record.h"

namespace kyanite {
namespace {

Error bad_bulk_item(std::string sentence) { return Error(Errc::argument_invalid, std::move(sentence)); }

// nullptr for null too.
Json* item_member(Json& item, std::string_view name) {
  Json* member = find_member(item, name);
  return member && !member->is_null() ? member : nullptr;
}

Result<std::string> item_text(Json& item, std::string_view name) {
  const Json* member = item_member(item, name);
  if (!member) return std::string();
  if (!member->is_string()) return bad_bulk_item(std::string(name) + " must be a string");
  return member->get<std::string>();
}

Result<void> read_etag(Json& item, std::string_view name, std::optional<IfMatch>& into) {
  const Result<std::string> text = item_text(item, name);
  if (!text) return text.error();
  if (!text->empty()) into = parse_if_match(*text);
  return {};
}

Result<void> read_mode(Json& item, ImportMode& into) {
  const Result<std::string> text = item_text(item, "importMode");
  if (!text) return text.error();
  if (text->empty()) return {};
  const std::optional<ImportMode> mode = import_mode_from_text(*text);
  if (!mode) return bad_bulk_item("importMode is none of the known modes");
  into = *mode;
  return {};
}

// A section that is there and not empty. Whole twins come back with their metadata.
Result<void> read_section(Json* value, TwinSection section, Nulls nulls, std::optional<Json>& into) {
  if (!value || value->is_null()) return {};
  if (!value->is_object())
    return bad_bulk_item(std::string(section_name(section)) + ": must be a JSON object");
  value->erase("$version");
  value->erase("$metadata");
  if (value->empty()) return {};
  if (const Result<void> checked = check_section(*value, section, nulls); !checked) return checked;
  into = std::move(*value);
  return {};
}

Result<void> read_twin(Json& item, RegistryItem& into) {
  // What is not there yet has nothing that null could delete.
  const Nulls nulls = into.mode == ImportMode::create ? Nulls::refused : Nulls::delete_members;
  Result<void> read = read_section(find_member(item, "tags"), TwinSection::tags, nulls, into.tags);
  if (!read) return read;
  Json* properties = item_member(item, "properties");
  if (!properties) return {};
  if (!properties->is_object()) return bad_bulk_item("properties: must be a JSON object");
  read = read_section(find_member(*properties, "desired"), TwinSection::desired, nulls, into.desired);
  if (!read) return read;
  return read_section(find_member(*properties, "reported"), TwinSection::reported, nulls, into.reported);
}

RegistryItem::Named named_members(Json& item) {
  const auto has = [&item](std::string_view name) { return item_member(item, name) != nullptr; };
  return {.authentication = has("authentication"),
          .status = has("status"),
          .status_reason = has("statusReason"),
          .capabilities = has("capabilities"),
          .device_scope = has("deviceScope"),
          .parent_scopes = has("parentScopes"),
          .managed_by = has("managedBy")};
}

Result<void> read_item(Json& item, RegistryItem& into) {
  if (Result<void> read = read_mode(item, into.mode); !read) return read;
  if (Result<void> read = read_etag(item, "eTag", into.if_match); !read) return read;
  if (Result<void> read = read_etag(item, "twinETag", into.twin_if_match); !read) return read;
  if (Result<void> read = read_identity_members(item, into.wanted); !read) return read;
  into.named = named_members(item);
  if (Result<void> valid = validate_identity(into.wanted); !valid) return valid;
  return read_twin(item, into);
}

Json section_values(const TwinProperties& section, WallTime created) {
  return section_to_json(section.values, section.metadata ? &*section.metadata : nullptr, section.version,
                         created);
}

}  // namespace

Result<RegistryItem> parse_registry_item(Json item) {
  if (!item.is_object()) return bad_bulk_item("an item must be a JSON object");
  const Result<std::string> device = item_text(item, "id");
  if (!device) return device.error();
  if (device->empty()) {
    return bad_bulk_item(item_member(item, "deviceId") ? "an item names its device with id, not deviceId"
                                                       : "an item needs an id");
  }
  const Result<std::string> module = item_text(item, "moduleId");
  if (!module) return module.error();
  RegistryItem read;
  read.wanted.id = {*device, *module};
  if (const Result<void> done = read_item(item, read); !done) read.fault = done.error();
  return read;
}

Result<Json> registry_item_to_json(const IdentityRecord& record, const TwinRecord& twin, bool with_keys) {
  const Result<TwinDocument> document = decode_twin(twin);
  if (!document) return document.error();
  Json item;
  item["id"] = record.id.device;
  if (record.id.is_module()) item["moduleId"] = record.id.module;
  item["eTag"] = identity_etag(record);
  if (record.id.is_module()) {
    item["managedBy"] = record.managed_by;
  } else {
    item["status"] = record.status == IdentityStatus::enabled ? "enabled" : "disabled";
    if (!record.status_reason.empty()) item["statusReason"] = record.status_reason;
  }
  item["authentication"] = authentication_to_json(record, with_keys);
  item["twinETag"] = twin_etag(twin.etag_counter);
  item["tags"] = document->tags;
  item["properties"]["desired"] = section_values(document->desired, twin.created);
  item["properties"]["reported"] = section_values(document->reported, twin.created);
  if (!record.id.is_module()) {
    item["capabilities"] = {{"iotEdge", record.iot_edge}};
    if (!record.device_scope.empty()) item["deviceScope"] = record.device_scope;
    if (!record.parent_scopes.empty()) item["parentScopes"] = record.parent_scopes;
  }
  return item;
}

std::string error_sentence(const Error& error) {
  // Only what speaks of the caller's own request; the rest is for the log.
  const bool is_callers = error_row(error.code).http_status == 400;
  return is_callers && !error.detail.empty() ? error.detail : std::string(error_row(error.code).text);
}

}  // namespace kyanite
