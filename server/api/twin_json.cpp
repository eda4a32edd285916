#include "server/api/twin_json.h"

#include "protocol/base/base64.h"
#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/api/identity_json.h"
#include "server/hub/registry_service.h"

namespace kyanite {
namespace {

// Twins show "never" with a zone, identities without (service-rest.md 1.8).
std::string twin_time(WallTime time) { return time == kNever ? "0001-01-01T00:00:00Z" : to_iso_time(time); }

Result<Json> stored_object(const std::string& text) {
  Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return Error(Errc::internal, "a stored twin section is not a JSON object");
  return json;
}

// One of desired and reported: the properties, then $metadata and $version.
Result<Json> section_to_json(const std::string& properties, const std::string& metadata,
                             std::uint64_t version, WallTime created) {
  Result<Json> section = stored_object(properties);
  if (!section) return section;
  if (metadata.empty()) {
    (*section)["$metadata"] = {{"$lastUpdated", twin_time(created)}};
  } else {
    Result<Json> stored = stored_object(metadata);
    if (!stored) return stored;
    (*section)["$metadata"] = std::move(*stored);
  }
  (*section)["$version"] = version;
  return section;
}

}  // namespace

Result<Json> twin_to_json(const IdentityView& view, const TwinRecord& twin) {
  const IdentityRecord& record = view.record;
  Result<Json> tags = stored_object(twin.tags);
  if (!tags) return tags;
  Result<Json> desired =
      section_to_json(twin.desired, twin.desired_metadata, twin.desired_version, twin.created);
  if (!desired) return desired;
  Result<Json> reported =
      section_to_json(twin.reported, twin.reported_metadata, twin.reported_version, twin.created);
  if (!reported) return reported;

  Json json;
  json["deviceId"] = record.id.device;
  if (record.id.is_module()) json["moduleId"] = record.id.module;
  json["etag"] = twin_etag(twin);
  json["deviceEtag"] = identity_etag(record);
  json["status"] = record.status == IdentityStatus::enabled ? "enabled" : "disabled";
  if (!record.status_reason.empty()) json["statusReason"] = record.status_reason;
  json["statusUpdateTime"] = twin_time(record.status_updated);
  json["connectionState"] = connection_state_text(view.connected);
  json["lastActivityTime"] = twin_time(view.last_activity);
  json["cloudToDeviceMessageCount"] = 0;
  json["authenticationType"] = authentication_type_text(record.auth_type);
  json["x509Thumbprint"] = thumbprints_to_json(record);
  json["modelId"] = twin.model_id;
  json["version"] = twin.version;
  json["tags"] = std::move(*tags);
  json["properties"] = {{"desired", std::move(*desired)}, {"reported", std::move(*reported)}};
  json["capabilities"] = {{"iotEdge", record.iot_edge}};
  if (!record.device_scope.empty()) json["deviceScope"] = record.device_scope;
  if (!record.parent_scopes.empty()) json["parentScopes"] = record.parent_scopes;
  return json;
}

std::string twin_etag(const TwinRecord& twin) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(twin.etag_counter >> shift)));
  }
  return encode_base64(bytes);
}

}  // namespace kyanite
