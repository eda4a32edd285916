#include "server/admin/traffic_meters.h"

#include "server/hub/credential_fault.h"

namespace kyanite {
namespace {

std::uint64_t& at(RefusalCounts& counts, const Error& error) {
  return counts[static_cast<std::size_t>(refusal_reason_of(error))];
}

void add_counts(RefusalCounts& into, const RefusalCounts& from) {
  for (std::size_t i = 0; i < kRefusalReasonCount; ++i) into[i] += from[i];
}

RefusalReason reason_of_fault(CredentialFault fault) {
  switch (fault) {
    case CredentialFault::missing:
      return RefusalReason::no_credential;
    case CredentialFault::malformed:
      return RefusalReason::malformed_credential;
    case CredentialFault::expired:
      return RefusalReason::expired;
    case CredentialFault::wrong_key:
      return RefusalReason::wrong_key;
    case CredentialFault::unknown_policy:
      return RefusalReason::unknown_policy;
    case CredentialFault::wrong_scope:
      return RefusalReason::wrong_scope;
    case CredentialFault::missing_right:
      return RefusalReason::missing_right;
    case CredentialFault::unregistered:
      return RefusalReason::unknown_identity;
    case CredentialFault::certificate:
      return RefusalReason::certificate;
    case CredentialFault::other:
      break;
  }
  return RefusalReason::bad_credential;
}

}  // namespace

std::string_view to_string(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::no_credential:
      return "no_credential";
    case RefusalReason::malformed_credential:
      return "malformed_credential";
    case RefusalReason::expired:
      return "expired";
    case RefusalReason::wrong_key:
      return "wrong_key";
    case RefusalReason::unknown_policy:
      return "unknown_policy";
    case RefusalReason::wrong_scope:
      return "wrong_scope";
    case RefusalReason::missing_right:
      return "missing_right";
    case RefusalReason::certificate:
      return "certificate";
    case RefusalReason::bad_credential:
      return "bad_credential";
    case RefusalReason::unknown_identity:
      return "unknown_identity";
    case RefusalReason::disabled:
      return "disabled";
    case RefusalReason::throttled:
      return "throttled";
    case RefusalReason::protocol:
      return "protocol";
    case RefusalReason::timeout:
      return "timeout";
    case RefusalReason::hub:
      return "hub";
    case RefusalReason::other:
      return "other";
  }
  return "other";
}

RefusalReason refusal_reason_of(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
      return reason_of_fault(credential_fault_of(error.detail));
    case Errc::device_not_found:
    case Errc::module_not_found:
      return RefusalReason::unknown_identity;
    case Errc::device_disabled:
      return RefusalReason::disabled;
    case Errc::throttled:
    case Errc::quota_exceeded:
      return RefusalReason::throttled;
    case Errc::protocol_violation:
    case Errc::malformed_packet:
    case Errc::packet_too_large:
    case Errc::topic_not_allowed:
    case Errc::protocol_version_invalid:
    case Errc::argument_invalid:
      return RefusalReason::protocol;
    case Errc::timed_out:
      return RefusalReason::timeout;
    case Errc::busy:
    case Errc::shutting_down:
    case Errc::storage_failed:
    case Errc::internal:
      return RefusalReason::hub;
    default:
      return RefusalReason::other;
  }
}

void ConnectionCounters::add(const ConnectionCounters& other) {
  accepted += other.accepted;
  add_counts(refused, other.refused);
  add_counts(links_refused, other.links_refused);
  for (std::size_t i = 0; i < kEndReasonCount; ++i) ends[i] += other.ends[i];
  telemetry_refused += other.telemetry_refused;
  events_overtaken += other.events_overtaken;
}

void RequestCounters::add(const RequestCounters& other) {
  for (std::size_t i = 0; i < by_class.size(); ++i) by_class[i] += other.by_class[i];
  add_counts(refused, other.refused);
  seconds.add(other.seconds);
}

void ConnectionMeter::on_connected(const ConnectionFacts& connection) {
  ++counters_.accepted;
  next_.on_connected(connection);
}

void ConnectionMeter::on_refused(const ConnectionFacts& connection, const Error& error) {
  ++at(counters_.refused, error);
  next_.on_refused(connection, error);
}

void ConnectionMeter::on_disconnected(const ConnectionFacts& connection, EndReason reason,
                                      std::string_view detail, milliseconds connected_for) {
  ++counters_.ends[static_cast<std::size_t>(reason)];
  next_.on_disconnected(connection, reason, detail, connected_for);
}

void ConnectionMeter::on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                                           std::size_t bytes) {
  ++counters_.telemetry_refused;
  next_.on_telemetry_refused(connection, error, bytes);
}

void ConnectionMeter::on_amqp_refused(std::string_view address, std::string_view container,
                                      std::string_view what, const Error& error) {
  ++at(counters_.links_refused, error);
  next_.on_amqp_refused(address, container, what, error);
}

void ConnectionMeter::on_reader_overtaken(std::string_view consumer_group, PartitionId partition,
                                          TelemetryOffset wanted, TelemetryOffset oldest) {
  ++counters_.events_overtaken;
  next_.on_reader_overtaken(consumer_group, partition, wanted, oldest);
}

void RequestMeter::on_answered(const RequestOutcome& outcome) {
  const int status_class = outcome.status / 100;
  ++counters_.by_class[status_class >= 1 && status_class <= 5 ? static_cast<std::size_t>(status_class) : 0];
  if (outcome.error && (outcome.status == 401 || outcome.status == 403)) {
    // The blob endpoint's refusals come as they were answered.
    const bool is_text = outcome.error->code == Errc::internal;
    ++at(counters_.refused, is_text ? Error(Errc::unauthorized) : *outcome.error);
  }
  counters_.seconds.observe(std::chrono::duration<double>(outcome.took).count());
  next_.on_answered(outcome);
}

}  // namespace kyanite
