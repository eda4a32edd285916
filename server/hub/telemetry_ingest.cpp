#include "server/hub/telemetry_ingest.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "storage/record_codec.h"

namespace kyanite {
namespace {

// A property of the hub's own takes the place of one the client sent under its name.
void set_property(PropertyBag& bag, std::string_view name, std::string_view value) {
  std::erase_if(bag.application, [name](const Property& p) { return equals_ignoring_case(p.name, name); });
  bag.application.push_back({std::string(name), std::string(value)});
}

void add_retain(PropertyBag& bag, RetainProperty setting) {
  if (setting != RetainProperty::mqtt_retain) set_property(bag, "x-opt-retain", "true");
  if (setting != RetainProperty::x_opt_retain) set_property(bag, "mqtt-retain", "true");
}

}  // namespace

std::string auth_method_json(AuthScope scope, AuthKind kind) {
  std::string text = R"({"scope":")";
  switch (scope) {
    case AuthScope::device:
      text += "device";
      break;
    case AuthScope::module:
      text += "module";
      break;
    case AuthScope::hub:
      text += "hub";
      break;
  }
  text += R"(","type":")";
  text += kind == AuthKind::sas ? "sas" : "x509";
  text += R"(","issuer":"iothub","acceptingIpFilterRule":null})";
  return text;
}

TelemetryIngest::TelemetryIngest(TelemetryLog& log, TelemetryAckSink& sink, const Settings::Mqtt& settings,
                                 Task schedule_flush)
    : log_(log), sink_(sink), settings_(settings), schedule_flush_(std::move(schedule_flush)) {}

TelemetryOrigin TelemetryIngest::make_origin(const Identity& identity, const Attachment& attachment,
                                             std::string model_id) const {
  return {identity, attachment.generation_id, auth_method_json(attachment.scope, attachment.kind),
          std::move(model_id), partition_of(identity.device, log_.partitions())};
}

Result<void> TelemetryIngest::append(const TelemetryOrigin& origin, const TelemetryMessage& message,
                                     TelemetryAckSink::Ack ack, bool wants_ack) {
  shard_check_.check();
  // The topic alone is at most 64 KiB, so only a body this large needs no look at the properties.
  if (message.body.size() > limits::kTelemetryBytesMax) return Errc::message_too_large;
  PropertyBag bag = decode_property_bag(message.bag);
  if (bag.size_bytes + message.body.size() > limits::kTelemetryBytesMax) return Errc::message_too_large;
  if (message.retain) add_retain(bag, settings_.retain_property);
  if (message.dup && settings_.emit_dup) set_property(bag, "mqtt-dup", "true");
  if (message.is_will) set_property(bag, "iothub-MessageType", "Will");
  put(origin, bag, message.body, ack, wants_ack);
  return {};
}

Result<void> TelemetryIngest::append(const TelemetryOrigin& origin, const PropertyBag& bag,
                                     std::string_view body, TelemetryAckSink::Ack ack, bool wants_ack) {
  shard_check_.check();
  if (bag.size_bytes + body.size() > limits::kTelemetryBytesMax) return Errc::message_too_large;
  put(origin, bag, body, ack, wants_ack);
  return {};
}

void TelemetryIngest::put(const TelemetryOrigin& origin, const PropertyBag& bag, std::string_view body,
                          TelemetryAckSink::Ack ack, bool wants_ack) {
  if (batch_.appends.empty()) schedule_flush_();
  batch_.appends.push_back({origin.partition,
                            encode_telemetry({origin.identity, origin.generation_id, origin.auth_method,
                                              MessageSource::telemetry, origin.model_id, bag, body}),
                            ack, wants_ack});
}

void TelemetryIngest::flush() {
  shard_check_.check();
  if (batch_.appends.empty()) return;
  TelemetryBatch batch;
  std::swap(batch, batch_);
  batch.sink = &sink_;
  log_.append(std::move(batch));
}

}  // namespace kyanite
