#include "server/hub/hub_observer.h"

#include "protocol/base/error_catalog.h"

namespace kyanite {
namespace {

constexpr int kUnauthorized = 401003;
constexpr int kDeviceDisabled = 403012;
constexpr int kSuperseded = 400027;
constexpr int kLinkDropped = 404104;

}  // namespace

std::string_view to_string(EndReason reason) {
  switch (reason) {
    case EndReason::refused:
      return "refused";
    case EndReason::device_disconnected:
      return "device_disconnected";
    case EndReason::link_lost:
      return "link_lost";
    case EndReason::connect_timeout:
      return "connect_timeout";
    case EndReason::keep_alive_timeout:
      return "keep_alive_timeout";
    case EndReason::protocol_violation:
      return "protocol_violation";
    case EndReason::message_too_large:
      return "message_too_large";
    case EndReason::slow_consumer:
      return "slow_consumer";
    case EndReason::credential_expired:
      return "credential_expired";
    case EndReason::takeover:
      return "takeover";
    case EndReason::identity_disabled:
      return "identity_disabled";
    case EndReason::identity_deleted:
      return "identity_deleted";
    case EndReason::credential_changed:
      return "credential_changed";
    case EndReason::shutting_down:
      return "shutting_down";
    case EndReason::hub_unavailable:
      return "hub_unavailable";
    case EndReason::throttled:
      return "throttled";
    case EndReason::quota_exceeded:
      return "quota_exceeded";
  }
  return "unknown";
}

int status_type(EndReason reason) {
  switch (reason) {
    case EndReason::device_disconnected:
    case EndReason::shutting_down:
      return 0;
    case EndReason::link_lost:
    case EndReason::connect_timeout:
    case EndReason::keep_alive_timeout:
    case EndReason::slow_consumer:
      return kLinkDropped;
    case EndReason::protocol_violation:
      return error_row(Errc::protocol_violation).number;
    case EndReason::message_too_large:
      return error_row(Errc::message_too_large).number;
    case EndReason::takeover:
      return kSuperseded;
    case EndReason::identity_disabled:
      return kDeviceDisabled;
    case EndReason::identity_deleted:
      return error_row(Errc::device_not_found).number;
    case EndReason::hub_unavailable:
      return error_row(Errc::storage_failed).number;
    case EndReason::throttled:
      return error_row(Errc::throttled).number;
    case EndReason::quota_exceeded:
      return error_row(Errc::quota_exceeded).number;
    case EndReason::refused:
    case EndReason::credential_expired:
    case EndReason::credential_changed:
      return kUnauthorized;
  }
  return 0;
}

int refusal_status_type(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
      return kUnauthorized;
    case Errc::device_disabled:
      return kDeviceDisabled;
    default:
      return error_row(error.code).number;
  }
}

}  // namespace kyanite
