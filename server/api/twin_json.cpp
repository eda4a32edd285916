#include "server/api/twin_json.h"

#include "protocol/twin/twin_json.h"
#include "server/api/api_response.h"
#include "server/api/identity_json.h"
#include "server/hub/registry_service.h"
#include "server/hub/twin_record.h"

namespace kyanite {
namespace {

Json whole_section(TwinProperties section, WallTime created) {
  return section_to_json(std::move(section.values), section.metadata ? &*section.metadata : nullptr,
                         section.version, created);
}

}  // namespace

Result<Json> twin_to_json(const IdentityView& view, const TwinRecord& twin) {
  const IdentityRecord& record = view.record;
  Result<TwinDocument> document = decode_twin(twin);
  if (!document) return document.error();

  Json json;
  json["deviceId"] = record.id.device;
  if (record.id.is_module()) json["moduleId"] = record.id.module;
  json["etag"] = twin_etag(twin.etag_counter);
  json["deviceEtag"] = identity_etag(record);
  json["status"] = record.status == IdentityStatus::enabled ? "enabled" : "disabled";
  if (!record.status_reason.empty()) json["statusReason"] = record.status_reason;
  json["statusUpdateTime"] = twin_time(record.status_updated);
  json["connectionState"] = connection_state_text(view.connected);
  json["lastActivityTime"] = twin_time(view.last_activity);
  json["cloudToDeviceMessageCount"] = view.c2d_messages;
  json["authenticationType"] = authentication_type_text(record.auth_type);
  json["x509Thumbprint"] = thumbprints_to_json(record);
  json["modelId"] = twin.model_id;
  json["version"] = twin.version;
  json["tags"] = std::move(document->tags);
  json["properties"]["desired"] = whole_section(std::move(document->desired), twin.created);
  json["properties"]["reported"] = whole_section(std::move(document->reported), twin.created);
  if (!twin.configurations.empty()) {
    Result<Json> configurations = parse_json(twin.configurations);
    if (!configurations) return Error(Errc::internal, "stored configurations of a twin are not JSON");
    json["configurations"] = std::move(*configurations);
  }
  json["capabilities"] = {{"iotEdge", record.iot_edge}};
  if (!record.device_scope.empty()) json["deviceScope"] = record.device_scope;
  if (!record.parent_scopes.empty()) json["parentScopes"] = record.parent_scopes;
  return json;
}

}  // namespace kyanite
