#include "server/api/identity_json.h"

#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/api_response.h"
#include "server/hub/registry_service.h"

namespace kyanite {
namespace {

Error invalid(std::string sentence) { return Error(Errc::argument_invalid, std::move(sentence)); }

// The member unless it is absent or null, which mean the same in requests.
const Json* present_member(const Json& object, std::string_view name) {
  const Json* member = find_member(object, name);
  return member != nullptr && !member->is_null() ? member : nullptr;
}

// Copies a text member; leaves `into` alone when there is none.
Result<void> read_text(const Json& object, std::string_view name, std::string& into) {
  const Json* member = present_member(object, name);
  if (member == nullptr) return {};
  if (!member->is_string()) return invalid(std::string(name) + " must be a string");
  into = member->get<std::string>();
  return {};
}

Result<const Json*> read_object(const Json& object, std::string_view name) {
  const Json* member = present_member(object, name);
  if (member != nullptr && !member->is_object()) return invalid(std::string(name) + " must be an object");
  return member;
}

Result<void> check_same_id(const Json& body, std::string_view name, std::string_view path_id) {
  std::string id(path_id);
  if (auto read = read_text(body, name, id); !read) return read;
  if (id != path_id) return invalid(std::string(name) + " in the body differs from the one in the path");
  return {};
}

Result<void> read_status(const Json& body, IdentityStatus& into) {
  std::string status = "enabled";
  if (auto read = read_text(body, "status", status); !read) return read;
  if (equals_ignoring_case(status, "enabled")) {
    into = IdentityStatus::enabled;
  } else if (equals_ignoring_case(status, "disabled")) {
    into = IdentityStatus::disabled;
  } else {
    return invalid("status must be enabled or disabled");
  }
  return {};
}

Result<void> read_type(const Json& authentication, IdentityRecord& into) {
  std::string type;
  if (auto read = read_text(authentication, "type", type); !read) return read;
  const bool has_key = !into.primary_key.empty() || !into.secondary_key.empty();
  const bool has_thumbprint = !into.primary_thumbprint.empty() || !into.secondary_thumbprint.empty();
  if (type.empty()) {
    into.auth_type = has_thumbprint && !has_key ? AuthenticationType::self_signed : AuthenticationType::sas;
  } else if (equals_ignoring_case(type, "sas")) {
    into.auth_type = AuthenticationType::sas;
  } else if (equals_ignoring_case(type, "selfSigned")) {
    into.auth_type = AuthenticationType::self_signed;
  } else if (equals_ignoring_case(type, "certificateAuthority")) {
    into.auth_type = AuthenticationType::certificate_authority;
  } else if (equals_ignoring_case(type, "none")) {
    into.auth_type = AuthenticationType::none;
  } else {
    return invalid("authentication.type must be sas, selfSigned or certificateAuthority");
  }
  return {};
}

Result<void> read_authentication(const Json& body, IdentityRecord& into) {
  const auto authentication = read_object(body, "authentication");
  if (!authentication) return authentication.error();
  if (*authentication == nullptr) return {};
  const auto keys = read_object(**authentication, "symmetricKey");
  if (!keys) return keys.error();
  if (*keys != nullptr) {
    if (auto read = read_text(**keys, "primaryKey", into.primary_key); !read) return read;
    if (auto read = read_text(**keys, "secondaryKey", into.secondary_key); !read) return read;
  }
  const auto thumbprints = read_object(**authentication, "x509Thumbprint");
  if (!thumbprints) return thumbprints.error();
  if (*thumbprints != nullptr) {
    if (auto read = read_text(**thumbprints, "primaryThumbprint", into.primary_thumbprint); !read)
      return read;
    if (auto read = read_text(**thumbprints, "secondaryThumbprint", into.secondary_thumbprint); !read)
      return read;
  }
  return read_type(**authentication, into);
}

Result<void> read_capabilities(const Json& body, IdentityRecord& into) {
  const auto capabilities = read_object(body, "capabilities");
  if (!capabilities) return capabilities.error();
  if (*capabilities == nullptr) return {};
  const Json* edge = present_member(**capabilities, "iotEdge");
  if (edge == nullptr) return {};
  if (!edge->is_boolean()) return invalid("capabilities.iotEdge must be true or false");
  into.iot_edge = edge->get<bool>();
  return {};
}

Result<void> read_parent_scopes(const Json& body, IdentityRecord& into) {
  const Json* scopes = present_member(body, "parentScopes");
  if (scopes == nullptr) return {};
  if (!scopes->is_array()) return invalid("parentScopes must be an array of strings");
  for (const Json& scope : *scopes) {
    if (!scope.is_string()) return invalid("parentScopes must be an array of strings");
    into.parent_scopes.push_back(scope.get<std::string>());
  }
  return {};
}

Result<void> read_device_fields(const Json& body, IdentityRecord& into) {
  if (auto read = read_status(body, into.status); !read) return read;
  if (auto read = read_text(body, "statusReason", into.status_reason); !read) return read;
  if (auto read = read_capabilities(body, into); !read) return read;
  if (auto read = read_text(body, "deviceScope", into.device_scope); !read) return read;
  return read_parent_scopes(body, into);
}

}  // namespace

Json authentication_to_json(const IdentityRecord& record, bool with_keys) {
  const auto key = [with_keys](const std::string& text) { return with_keys ? text_or_null(text) : Json(); };
  Json json;
  json["symmetricKey"] = {{"primaryKey", key(record.primary_key)},
                          {"secondaryKey", key(record.secondary_key)}};
  json["x509Thumbprint"] = thumbprints_to_json(record);
  json["type"] = authentication_type_text(record.auth_type);
  return json;
}

Json device_to_json(const IdentityView& view) {
  const IdentityRecord& record = view.record;
  Json json;
  json["deviceId"] = record.id.device;
  json["generationId"] = record.generation_id;
  json["etag"] = identity_etag(record);
  json["connectionState"] = connection_state_text(view.connected);
  json["status"] = record.status == IdentityStatus::enabled ? "enabled" : "disabled";
  json["statusReason"] = text_or_null(record.status_reason);
  json["connectionStateUpdatedTime"] = to_iso_time_or_never(view.connection_state_updated);
  json["statusUpdatedTime"] = to_iso_time_or_never(record.status_updated);
  json["lastActivityTime"] = to_iso_time_or_never(view.last_activity);
  json["cloudToDeviceMessageCount"] = view.c2d_messages;
  json["authentication"] = authentication_to_json(record);
  json["capabilities"] = {{"iotEdge", record.iot_edge}};
  json["deviceScope"] = record.device_scope;
  json["parentScopes"] = record.parent_scopes;
  return json;
}

Json module_to_json(const IdentityView& view) {
  const IdentityRecord& record = view.record;
  Json json;
  json["moduleId"] = record.id.module;
  json["deviceId"] = record.id.device;
  json["managedBy"] = record.managed_by;
  json["generationId"] = record.generation_id;
  json["etag"] = identity_etag(record);
  json["connectionState"] = connection_state_text(view.connected);
  json["connectionStateUpdatedTime"] = to_iso_time_or_never(view.connection_state_updated);
  json["lastActivityTime"] = to_iso_time_or_never(view.last_activity);
  json["cloudToDeviceMessageCount"] = 0;
  json["authentication"] = authentication_to_json(record);
  return json;
}

Result<void> read_identity_members(const Json& object, IdentityRecord& into) {
  if (auto read = read_authentication(object, into); !read) return read;
  if (into.id.is_module()) return read_text(object, "managedBy", into.managed_by);
  return read_device_fields(object, into);
}

Result<IdentityRecord> parse_identity_body(std::string_view body, const Identity& path) {
  const Result<Json> parsed = parse_json(body);
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) return invalid("the body must be a JSON object");
  IdentityRecord record;
  record.id = path;
  if (auto same = check_same_id(*parsed, "deviceId", path.device); !same) return same.error();
  if (path.is_module()) {
    if (auto same = check_same_id(*parsed, "moduleId", path.module); !same) return same.error();
  }
  if (auto read = read_identity_members(*parsed, record); !read) return read.error();
  return record;
}

}  // namespace kyanite
