#include "server/hub/operations_monitor.h"

#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "server/hub/hub_events.h"

namespace kyanite {
namespace {

// What a client claimed to be called, as something that could be an id.
std::string possible_id(std::string_view claimed) {
  std::string id(claimed.substr(0, limits::kIdBytesMax));
  for (char& c : id) {
    if (!is_valid_id(std::string_view(&c, 1))) c = '_';
  }
  return id;
}

// A ClientId that came without a usable user name may still be "device/module".
Identity possible_identity(const Identity& claimed) {
  const std::size_t slash = claimed.device.find('/');
  if (slash == std::string::npos || slash == 0 || claimed.is_module()) {
    return {possible_id(claimed.device), possible_id(claimed.module)};
  }
  return {possible_id(std::string_view(claimed.device).substr(0, slash)),
          possible_id(std::string_view(claimed.device).substr(slash + 1))};
}

}  // namespace

OperationsMonitor::OperationsMonitor(HubObserver& next, Executor& executor, TelemetryLog& log,
                                     const Settings::Events& events, std::string hub_name)
    : ForwardingObserver(next),
      executor_(executor),
      log_(log),
      events_(events),
      hub_name_(std::move(hub_name)) {}

void OperationsMonitor::on_connected(const ConnectionFacts& connection) {
  next_.on_connected(connection);
  record(connection, {"deviceConnect", connection.connect_took, 0, {}});
}

void OperationsMonitor::on_refused(const ConnectionFacts& connection, const Error& error) {
  next_.on_refused(connection, error);
  if (events_.connections == OperationsLevel::none || connection.identity.device.empty()) return;
  if (!has_room_for_refusal()) return;
  record(connection,
         {"deviceConnect", connection.connect_took, refusal_status_type(error), refusal_description(error)});
}

void OperationsMonitor::on_disconnected(const ConnectionFacts& connection, EndReason reason,
                                        std::string_view detail, milliseconds connected_for) {
  next_.on_disconnected(connection, reason, detail, connected_for);
  record(connection,
         {"deviceDisconnect", connected_for, status_type(reason), status_description(reason, detail)});
}

void OperationsMonitor::on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                                             std::size_t bytes) {
  next_.on_telemetry_refused(connection, error, bytes);
  if (events_.device_telemetry == OperationsLevel::none) return;
  const std::string now = to_iso_time(executor_.wall_now());
  Json json;
  json["messageSizeInBytes"] = bytes;
  json["batching"] = 0;
  json["authType"] = auth_type_json(connection.scope, connection.kind);
  json["protocol"] = to_string(connection.protocol);
  json["time"] = now;
  json["operationName"] = "ingress";
  json["category"] = "DeviceTelemetry";
  add_operation_error(json, refusal_status_type(error), refusal_description(error));
  add_operation_place(json, connection.identity, log_, now);
  append(connection.identity, json);
}

void OperationsMonitor::record(const ConnectionFacts& connection, const Operation& operation) {
  const bool is_error = operation.status_type != 0;
  if (events_.connections == OperationsLevel::none) return;
  if (!is_error && events_.connections != OperationsLevel::information) return;
  const Identity about = possible_identity(connection.identity);
  Json json;
  json["durationMs"] = operation.duration.count();
  json["authType"] = auth_type_json(connection.scope, connection.kind);
  json["protocol"] = to_string(connection.protocol);  // over WebSocket too
  json["time"] = to_iso_time(executor_.wall_now());
  json["operationName"] = operation.name;
  json["category"] = "Connections";
  if (is_error) {
    add_operation_error(json, operation.status_type, operation.description);
  } else {
    json["level"] = "Information";
  }
  json["deviceId"] = about.device;
  if (about.is_module()) json["moduleId"] = about.module;
  append(about, json);
}

void OperationsMonitor::append(const Identity& about, const Json& record) {
  if (batch_.appends.empty()) executor_.post([this] { flush(); });
  batch_.appends.push_back(
      make_hub_event(log_, hub_name_, MessageSource::operations_monitoring, about, {}, dump_json(record)));
}

bool OperationsMonitor::has_room_for_refusal() {
  const SteadyTime now = executor_.now();
  if (now - second_began_ >= seconds(1)) {
    second_began_ = now;
    refusals_ = 0;
  }
  if (refusals_ < limits::kRefusalRecordsPerSecond) {
    ++refusals_;
    return true;
  }
  if (unrecorded_++ == 0) {
    executor_.after(seconds(1), [this] { next_.on_refusals_unrecorded(std::exchange(unrecorded_, 0)); });
  }
  return false;
}

void OperationsMonitor::flush() { log_.append(std::exchange(batch_, {})); }

}  // namespace kyanite
