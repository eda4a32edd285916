#include "server/api/event_json.h"

#include "protocol/base/base64.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/message_source.h"

namespace kyanite {
namespace {

Json value_to_json(const Property& property) {
  return property.value ? Json(*property.value) : Json(nullptr);
}

// No name stands twice in a record, and a device may send some 20,000: the members are appended, since
// setting one by its name compares it with all before it.
Json application_properties(const TelemetryRecord& record) {
  Json json = Json::object();
  Json::object_t& members = json.get_ref<Json::object_t&>();
  members.reserve(record.application.size());
  for (const Property& property : record.application) {
    members.emplace_back(property.name, value_to_json(property));
  }
  return json;
}

// The hub's own come last, so that nothing a device wrote can stand in their place.
Json system_properties(const TelemetryRecord& record) {
  Json json = Json::object();
  for (const Property& property : record.system) json[property.name] = value_to_json(property);
  json["iothub-connection-device-id"] = record.sender.device;
  if (record.sender.is_module()) json["iothub-connection-module-id"] = record.sender.module;
  // Events of the hub itself came over no connection.
  if (!record.auth_method.empty()) json["iothub-connection-auth-method"] = record.auth_method;
  if (!record.generation_id.empty()) json["iothub-connection-auth-generation-id"] = record.generation_id;
  json["iothub-enqueuedtime"] = to_iso_time(record.enqueued);
  json["iothub-message-source"] = to_text(record.source);
  if (!record.model_id.empty()) json["dt-dataschema"] = record.model_id;
  return json;
}

// What a browser's listener names: "telemetry", or the source as iothub-message-source has it.
std::string event_type(MessageSource source) {
  return source == MessageSource::telemetry ? "telemetry" : std::string(to_text(source));
}

}  // namespace

std::string event_to_json(const TelemetryRecord& record, PartitionId partition) {
  Json json;
  json["deviceId"] = record.sender.device;
  json["moduleId"] = record.sender.is_module() ? Json(record.sender.module) : Json(nullptr);
  json["partition"] = partition.value;
  json["offset"] = record.offset.value;
  json["sequenceNumber"] = record.offset.value;
  json["enqueuedTime"] = to_iso_time(record.enqueued);
  json["systemProperties"] = system_properties(record);
  json["properties"] = application_properties(record);
  if (is_valid_utf8(record.body)) {
    json["body"] = record.body;
  } else {
    json["body"] = encode_base64(record.body);
    json["bodyEncoding"] = "base64";
  }
  return dump_json(json);
}

std::string frame_event(const TelemetryRecord& record, PartitionId partition, EventFormat format) {
  const std::string json = event_to_json(record, partition);
  if (format == EventFormat::json_lines) return json + "\n";
  return "id: " + std::to_string(partition.value) + "/" + std::to_string(record.offset.value) +
         "\nevent: " + event_type(record.source) + "\ndata: " + json + "\n\n";
}

std::string heartbeat(EventFormat format) {
  return format == EventFormat::json_lines ? "\n" : ": nothing new\n\n";
}

}  // namespace kyanite
