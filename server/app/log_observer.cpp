#include "server/app/log_observer.h"

#include "protocol/base/error_catalog.h"
#include "server/hub/connection_log.h"
#include "server/observe/log.h"

namespace kyanite {
namespace {

std::string connection_text(ConnectionRef ref) {
  return std::to_string(ref.shard.value) + "." + std::to_string(ref.slot) + "." +
         std::to_string(ref.generation);
}

// Behind its folder a topic of telemetry has the properties of the message, which are no business of a log.
std::string_view without_properties(std::string_view topic) {
  constexpr std::string_view kFolder = "/messages/events/";
  const std::size_t at = topic.find(kFolder);
  return at == std::string_view::npos ? topic : topic.substr(0, at + kFolder.size());
}

// What is wrong with a body may quote it, which the answer does and a log must not.
std::string_view reason_of(const RequestOutcome& outcome) {
  if (!outcome.error) return {};
  const ErrorRow& row = error_row(outcome.error->code);
  return row.http_status == 400 ? row.text : std::string_view(outcome.error->detail);
}

// An end the device or the operator asked for is no warning.
bool is_orderly(EndReason reason) {
  return reason == EndReason::device_disconnected || reason == EndReason::link_lost ||
         reason == EndReason::takeover || reason == EndReason::shutting_down;
}

std::string_view transport_text(PeerTransport transport) {
  return transport == PeerTransport::websocket ? "websocket" : "tcp";
}

}  // namespace

void LogObserver::on_connected(const ConnectionFacts& connection) {
  if (!log::enabled(log::Level::info)) return;
  log::info("device_connected", {{"device", connection.identity.device},
                                 {"module", connection.identity.module},
                                 {"conn", connection_text(connection.ref)},
                                 {"peer", connection.address},
                                 {"tls", connection.tls_version},
                                 {"transport", transport_text(connection.transport)},
                                 {"operationName", "deviceConnect"},
                                 {"properties", connection_properties(connection)}});
}

void LogObserver::on_refused(const ConnectionFacts& connection, const Error& error) {
  log::warning("connect_refused", {{"device", connection.identity.device},
                                   {"module", connection.identity.module},
                                   {"conn", connection_text(connection.ref)},
                                   {"peer", connection.address},
                                   {"transport", transport_text(connection.transport)},
                                   {"reason", error.detail},
                                   {"operationName", "deviceConnect"},
                                   {"resultType", refusal_status_type(error)},
                                   {"resultDescription", refusal_description(error)},
                                   {"properties", connection_properties(connection)}});
}

void LogObserver::on_disconnected(const ConnectionFacts& connection, EndReason reason,
                                  std::string_view detail, milliseconds connected_for) {
  const log::Level at = is_orderly(reason) ? log::Level::info : log::Level::warning;
  if (!log::enabled(at)) return;
  log::event(at, "device_disconnected",
             {{"device", connection.identity.device},
              {"module", connection.identity.module},
              {"conn", connection_text(connection.ref)},
              {"reason", to_string(reason)},
              {"detail", detail},
              {"connected_ms", connected_for.count()},
              {"operationName", "deviceDisconnect"},
              {"resultType", status_type(reason)},
              {"resultDescription", status_description(reason, detail)},
              {"properties", connection_properties(connection)}});
}

void LogObserver::on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                                       std::size_t bytes) {
  log::warning("telemetry_refused", {{"device", connection.identity.device},
                                     {"module", connection.identity.module},
                                     {"conn", connection_text(connection.ref)},
                                     {"reason", error.detail},
                                     {"bytes", bytes}});
}

void LogObserver::on_will_unusable(const ConnectionFacts& connection, std::string_view topic) {
  log::warning("will_unusable", {{"device", connection.identity.device},
                                 {"conn", connection_text(connection.ref)},
                                 {"topic", without_properties(topic)}});
}

void LogObserver::on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                                  const Error& error) {
  log::info("amqp_refused",
            {{"address", address}, {"container", container}, {"what", what}, {"reason", error.detail}});
}

void LogObserver::on_left_silently(std::string_view address, std::string_view tls_version,
                                   DeviceProtocol protocol) {
  log::debug("left_silently",
             {{"address", address}, {"tls", tls_version}, {"protocol", to_string(protocol)}});
}

void LogObserver::on_refusals_unrecorded(std::uint64_t count) {
  log::warning(
      "operations_records_dropped",
      {{"reason", "more refused connections a second than operations monitoring records"}, {"count", count}});
}

void LogObserver::on_reader_overtaken(std::string_view consumer_group, PartitionId partition,
                                      TelemetryOffset wanted, TelemetryOffset oldest) {
  log::warning(
      "reader_overtaken",
      {{"consumer_group", consumer_group},
       {"partition", partition.value},
       {"wanted_offset", wanted.value},
       {"oldest_offset", oldest.value},
       {"reason", "retention removed events that the reader had not read; it goes on with the oldest"}});
}

namespace {

// The request's own line says whether it was refused; these tell what an accepted one did, by whose trace.
void tell_subject(const RequestOutcome& outcome, std::int64_t took_us) {
  if (!outcome.identity || !log::enabled(log::Level::debug)) return;
  const bool is_call = outcome.subject == RequestSubject::method_call;
  log::debug(is_call ? "method_call" : "c2d_send", {{"device", outcome.identity->device},
                                                    {"module", outcome.identity->module},
                                                    {"status", outcome.status},
                                                    {"tracking_id", outcome.tracking_id},
                                                    {"trace_id", outcome.trace_id},
                                                    {"took_us", took_us},
                                                    {"reason", reason_of(outcome)}});
}

}  // namespace

void LogObserver::on_answered(const RequestOutcome& outcome) {
  const bool is_fault = outcome.status >= 500;
  const bool is_refused = outcome.status == 401 || outcome.status == 403;
  const log::Level at = is_fault ? log::Level::error : is_refused ? log::Level::warning : log::Level::debug;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(outcome.took);
  tell_subject(outcome, took.count());
  if (!log::enabled(at)) return;
  log::event(at, "request",
             {{"verb", to_text(outcome.verb)},
              {"path", outcome.path},
              {"status", outcome.status},
              {"peer", outcome.peer},
              {"tracking_id", outcome.tracking_id},
              {"trace_id", outcome.trace_id},
              {"took_us", took.count()},
              {"reason", reason_of(outcome)}});
}

}  // namespace kyanite
