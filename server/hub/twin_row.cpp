#include "server/hub/twin_row.h"

#include <algorithm>
#include <array>

#include "protocol/twin/twin_json.h"
#include "server/hub/registry_service.h"
#include "server/hub/twin_record.h"

namespace kyanite {
namespace {

Json null_when_empty(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// The section with its $version, and with its $metadata when that is asked for.
Result<Json> section_row(const TwinParts& parts, const std::string& values, const std::string& metadata,
                         std::uint64_t version, WallTime created) {
  Result<TwinProperties> section =
      decode_twin_section(values, parts.metadata ? metadata : std::string(), version);
  if (!section) return section.error();
  if (parts.metadata) {
    return section_to_json(std::move(section->values), section->metadata ? &*section->metadata : nullptr,
                           version, created);
  }
  append_member(members_of(section->values), "$version", version);
  return std::move(section->values);
}

const std::string* name_of_step(const QueryPath& path, std::size_t place) {
  return place < path.steps.size() ? std::get_if<std::string>(&path.steps[place]) : nullptr;
}

constexpr std::array kCounterNames{"etag", "version", "modelId"};
constexpr std::array kRecordNames{"deviceEtag",         "status",         "statusReason", "statusUpdateTime",
                                  "authenticationType", "x509Thumbprint", "capabilities", "deviceScope",
                                  "parentScopes"};

}  // namespace

std::string_view authentication_type_text(AuthenticationType type) {
  switch (type) {
    case AuthenticationType::sas:
      return "sas";
    case AuthenticationType::self_signed:
      return "selfSigned";
    case AuthenticationType::certificate_authority:
      return "certificateAuthority";
    case AuthenticationType::none:
      return "none";
  }
  return "none";
}

std::string_view connection_state_text(bool connected) { return connected ? "Connected" : "Disconnected"; }

Json thumbprints_to_json(const IdentityRecord& record) {
  return {{"primaryThumbprint", null_when_empty(record.primary_thumbprint)},
          {"secondaryThumbprint", null_when_empty(record.secondary_thumbprint)}};
}

TwinParts TwinParts::whole() { return {true, true, true, true, true, true, true, true, true, false}; }

void TwinParts::add(const QueryPath& path) {
  const std::string* root = name_of_step(path, 0);
  if (!root) return;
  const auto is_one_of = [root](const auto& names) {
    return std::find(names.begin(), names.end(), *root) != names.end();
  };
  if (*root == "tags") {
    tags = true;
  } else if (*root == "properties") {
    const std::string* section = name_of_step(path, 1);
    desired = desired || !section || *section == "desired";
    reported = reported || !section || *section == "reported";
    const std::string* member = name_of_step(path, 2);
    metadata = metadata || !member || *member == "$metadata";
  } else if (*root == "configurations") {
    configurations = true;
  } else if (*root == "connectionState" || *root == "lastActivityTime") {
    live = true;
  } else if (*root == "connectionStateUpdatedTime") {
    live = connection_time = true;
  } else if (*root == "cloudToDeviceMessageCount") {
    messages = true;
  } else if (is_one_of(kCounterNames)) {
    counters = true;
  } else if (is_one_of(kRecordNames)) {
    record = true;
  }
}

Result<Json> twin_row(const TwinParts& parts, const IdentityView& view, const TwinRecord& twin) {
  const IdentityRecord& record = view.record;
  Json row = Json::object();
  JsonMembers& members = members_of(row);
  const auto add = [&members](const char* name, Json value) {
    append_member(members, name, std::move(value));
  };
  add("deviceId", record.id.device);
  if (record.id.is_module()) add("moduleId", record.id.module);
  if (parts.counters) add("etag", twin_etag(twin.etag_counter));
  if (parts.record) {
    add("deviceEtag", identity_etag(record));
    add("status", record.status == IdentityStatus::enabled ? "enabled" : "disabled");
    if (!record.status_reason.empty()) add("statusReason", record.status_reason);
    add("statusUpdateTime", twin_time(record.status_updated));
  }
  if (parts.live) {
    add("connectionState", connection_state_text(view.connected));
    add("lastActivityTime", twin_time(view.last_activity));
  }
  if (parts.connection_time) add("connectionStateUpdatedTime", twin_time(view.connection_state_updated));
  if (parts.messages) add("cloudToDeviceMessageCount", view.c2d_messages);
  if (parts.record) {
    add("authenticationType", authentication_type_text(record.auth_type));
    add("x509Thumbprint", thumbprints_to_json(record));
  }
  if (parts.counters) {
    add("modelId", twin.model_id);
    add("version", twin.version);
  }
  if (parts.tags) {
    Result<Json> tags = decode_twin_tags(twin);
    if (!tags) return tags.error();
    add("tags", std::move(*tags));
  }
  if (parts.desired || parts.reported) {
    Json properties = Json::object();
    if (parts.desired) {
      Result<Json> section =
          section_row(parts, twin.desired, twin.desired_metadata, twin.desired_version, twin.created);
      if (!section) return section.error();
      append_member(members_of(properties), "desired", std::move(*section));
    }
    if (parts.reported) {
      Result<Json> section =
          section_row(parts, twin.reported, twin.reported_metadata, twin.reported_version, twin.created);
      if (!section) return section.error();
      append_member(members_of(properties), "reported", std::move(*section));
    }
    add("properties", std::move(properties));
  }
  if (parts.configurations && !twin.configurations.empty()) {
    Result<Json> configurations = parse_json(twin.configurations);
    if (!configurations) return Error(Errc::internal, "stored configurations of a twin are not JSON");
    add("configurations", std::move(*configurations));
  }
  if (parts.record) {
    add("capabilities", {{"iotEdge", record.iot_edge}});
    if (!record.device_scope.empty()) add("deviceScope", record.device_scope);
    if (!record.parent_scopes.empty()) add("parentScopes", record.parent_scopes);
  }
  return row;
}

void set_live_state(const TwinParts& parts, const LiveState& live, Json& row) {
  if (parts.live) {
    row["connectionState"] = connection_state_text(live.connected);
    row["lastActivityTime"] = twin_time(live.last_activity);
  }
  if (parts.connection_time) row["connectionStateUpdatedTime"] = twin_time(live.connection_state_updated);
  if (parts.messages && live.c2d_messages) row["cloudToDeviceMessageCount"] = *live.c2d_messages;
}

}  // namespace kyanite
