#include "server/hub/hub_events.h"

#include <cstdio>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/iso_time.h"
#include "protocol/twin/twin_json.h"
#include "server/hub/hub_observer.h"
#include "storage/record_codec.h"

namespace kyanite {
namespace {

Json object_of(const std::string& text) {
  Result<Json> json = parse_json(text);
  return json && json->is_object() ? std::move(*json) : Json::object();
}

// What cannot be read is shown as if it were not there: it must not keep its identity from being deleted.
Json section(const std::string& properties, const std::string& metadata, std::uint64_t version) {
  const Result<TwinMetadata> decoded = TwinMetadata::decode(metadata);
  // The service does not tell here when a section that was never written was created (10.3).
  return section_to_json(object_of(properties), decoded ? &*decoded : nullptr, version, kNever);
}

std::string lifecycle_body(const Identity& id, const TwinRecord& twin) {
  Json json;
  json["deviceId"] = id.device;
  if (id.is_module()) json["moduleId"] = id.module;
  json["etag"] = twin_etag(twin.etag_counter);
  json["version"] = twin.version;
  if (Json tags = object_of(twin.tags); !tags.empty()) json["tags"] = std::move(tags);
  json["properties"] = {{"desired", section(twin.desired, twin.desired_metadata, twin.desired_version)},
                        {"reported", section(twin.reported, twin.reported_metadata, twin.reported_version)}};
  return dump_json(json);
}

std::string_view lifecycle_schema(const Identity& id) {
  return id.is_module() ? "moduleLifecycleNotification" : "deviceLifecycleNotification";
}

}  // namespace

TelemetryAppend make_hub_event(const TelemetryLog& log, const std::string& hub_name, MessageSource source,
                               const Identity& about, std::vector<Property> application,
                               std::string_view body) {
  PropertyBag bag;
  bag.system = {{"content-type", "application/json"},
                {"content-encoding", "utf-8"},
                {"correlation-id", random_guid()},
                {"user-id", hub_name}};
  bag.application = std::move(application);
  return {partition_of(about.device, log.partitions()),
          encode_telemetry({about, {}, {}, source, {}, bag, body}),
          {},
          false};
}

void add_operation_error(Json& record, int status_type, std::string_view description) {
  constexpr std::size_t kDescriptionBytesMax = 256;
  record["level"] = "Error";
  record["statusCode"] = status_type / 1000;
  record["statusType"] = status_type;
  record["statusDescription"] = description.substr(0, kDescriptionBytesMax);
}

void add_operation_place(Json& record, const Identity& about, const TelemetryLog& log, std::string_view now) {
  record["deviceId"] = about.device;
  if (about.is_module()) record["moduleId"] = about.module;
  record["EventProcessedUtcTime"] = now;
  record["PartitionId"] = partition_of(about.device, log.partitions()).value;
  record["EventEnqueuedUtcTime"] = now;
}

HubEvents::HubEvents(Executor& executor, TelemetryLog& log, const Settings& settings, std::string hub_name,
                     std::uint64_t starts)
    : executor_(executor), log_(log), settings_(settings), hub_name_(std::move(hub_name)), starts_(starts) {}

TelemetryAppend HubEvents::notification(const Identity& about, const Notification& what,
                                        std::string_view body) const {
  std::vector<Property> application{{"hubName", hub_name_}, {"deviceId", about.device}};
  if (about.is_module()) application.push_back({"moduleId", about.module});
  application.push_back({"opType", std::string(what.operation)});
  application.push_back({"iothub-message-schema", std::string(what.schema)});
  application.push_back({"operationTimestamp", to_iso_time(executor_.wall_now())});
  return make_hub_event(log_, hub_name_, what.source, about, std::move(application), body);
}

TelemetryAppend HubEvents::identity_created(const IdentityRecord& record, const TwinRecord& twin) const {
  const std::string_view operation = record.id.is_module() ? "createModuleIdentity" : "createDeviceIdentity";
  return notification(record.id, {MessageSource::device_lifecycle, lifecycle_schema(record.id), operation},
                      lifecycle_body(record.id, twin));
}

TelemetryAppend HubEvents::identity_deleted(const IdentityRecord& record, const TwinRecord& twin) const {
  const std::string_view operation = record.id.is_module() ? "deleteModuleIdentity" : "deleteDeviceIdentity";
  return notification(record.id, {MessageSource::device_lifecycle, lifecycle_schema(record.id), operation},
                      lifecycle_body(record.id, twin));
}

TelemetryAppend HubEvents::twin_changed(const IdentityRecord& record, TwinOperation operation,
                                        const Json& body) const {
  const std::string_view name = operation == TwinOperation::update ? "updateTwin" : "replaceTwin";
  return notification(record.id, {MessageSource::twin_change, "twinChangeNotification", name},
                      dump_json(body));
}

void HubEvents::connection_changed(const IdentityRecord& record, bool connected) {
  shard_check_.check();
  if (!settings_.events.connection_state) return;
  const std::string body = R"({"sequenceNumber":")" + next_sequence_number() + R"("})";
  append(notification(record.id,
                      {MessageSource::connection_state, "deviceConnectionStateNotification",
                       connected ? "deviceConnected" : "deviceDisconnected"},
                      body));
}

void HubEvents::c2d_refused(const C2dRefusal& refusal) {
  shard_check_.check();
  if (settings_.events.c2d_commands == OperationsLevel::none || !is_valid_id(refusal.device)) return;
  const Identity about{refusal.device, {}};
  const std::string now = to_iso_time(executor_.wall_now());
  Json json;
  json["messageSizeInBytes"] = refusal.bytes;
  json["authType"] = auth_type_json(AuthScope::hub, AuthKind::sas);
  json["deliveryAcknowledgement"] = static_cast<int>(refusal.ack);
  json["protocol"] = "Https";
  json["time"] = now;
  json["operationName"] = "ingress";
  json["category"] = "C2DCommands";
  add_operation_error(json, refusal_status_type(refusal.error), refusal_description(refusal.error));
  add_operation_place(json, about, log_, now);
  append(make_hub_event(log_, hub_name_, MessageSource::operations_monitoring, about, {}, dump_json(json)));
}

// What the turn still brings was appended before a posted task runs.
void HubEvents::append(TelemetryAppend event) {
  if (batch_.appends.empty()) executor_.post([this] { flush(); });
  batch_.appends.push_back(std::move(event));
}

void HubEvents::flush() {
  shard_check_.check();
  if (!batch_.appends.empty()) log_.append(std::exchange(batch_, {}));
}

// 64 hexadecimal digits that grow for each device: how often the hub was started, then a counter of this
// start. A device has one owner shard as long as the hub runs, so shards need not agree. The groups between
// are for an owner's epoch, where several nodes share a log.
std::string HubEvents::next_sequence_number() {
  char text[65];
  std::snprintf(text, sizeof text, "%016llX%016llX%016llX%016llX", 0ull,
                static_cast<unsigned long long>(starts_), 0ull,
                static_cast<unsigned long long>(++connection_events_));
  return text;
}

}  // namespace kyanite
