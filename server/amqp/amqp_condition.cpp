#include "protocol/base/error_catalog.h"
#include "server/amqp/link_openers.h"

namespace kyanite {
namespace {

// Spec amqp.md 8.
const char* condition_name(Errc code) {
  switch (code) {
    case Errc::unauthorized:
    case Errc::device_disabled:
      return "amqp:unauthorized-access";
    case Errc::device_not_found:
    case Errc::module_not_found:
    case Errc::route_not_found:
    case Errc::not_found:
    case Errc::device_not_online:
    case Errc::job_not_found:
    case Errc::configuration_not_found:
      return "amqp:not-found";
    case Errc::method_not_allowed:
    case Errc::operation_not_allowed:
    case Errc::not_implemented:
    case Errc::topic_not_allowed:
      return "amqp:not-allowed";
    case Errc::c2d_queue_full:
    case Errc::too_many_calls:
    case Errc::too_many_devices:
    case Errc::too_many_modules:
      return "amqp:resource-limit-exceeded";
    case Errc::message_too_large:
    case Errc::request_too_large:
    case Errc::packet_too_large:
      return "amqp:link:message-size-exceeded";
    case Errc::throttled:
      return "com.microsoft:device-container-throttled";
    case Errc::quota_exceeded:
      return "com.microsoft:quota-exceeded";
    case Errc::lock_lost:
      return "com.microsoft:message-lock-lost";
    case Errc::precondition_failed:
    case Errc::etag_missing:
      return "com.microsoft:precondition-failed";
    case Errc::device_already_exists:
      return "com.microsoft:device-already-exists";
    case Errc::busy:
      return "com.microsoft:server-busy";
    case Errc::shutting_down:
      return "amqp:link:detach-forced";
    case Errc::timed_out:
    case Errc::wait_over:
      return "com.microsoft:timeout";
    case Errc::argument_invalid:
    case Errc::argument_null:
    case Errc::format_error:
    case Errc::message_expired:
    case Errc::protocol_violation:
    case Errc::malformed_packet:
      return "com.microsoft:argument-error";
    default:
      return "amqp:internal-error";
  }
}

}  // namespace

amqp::Condition condition_of(const Error& error) {
  amqp::Condition condition;
  condition.name = condition_name(error.code);
  condition.description = error_row(error.code).text;
  if (!error.detail.empty()) condition.description += ": " + error.detail;
  return condition;
}

}  // namespace kyanite
