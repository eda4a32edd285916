#include "server/hub/hub_observer.h"

#include "protocol/base/error_catalog.h"

namespace kyanite {
namespace {

constexpr int kUnauthorized = 401003;
constexpr int kDeviceDisabled = 403012;
constexpr int kSuperseded = 400027;
constexpr int kLinkDropped = 404104;

// The service's name of the error behind such a number.
std::string_view status_name(EndReason reason) {
  switch (reason) {
    case EndReason::device_disconnected:
    case EndReason::shutting_down:
      return "";
    case EndReason::link_lost:
    case EndReason::connect_timeout:
    case EndReason::keep_alive_timeout:
    case EndReason::slow_consumer:
    case EndReason::fault:
      return "DeviceConnectionClosedRemotely";
    case EndReason::protocol_violation:
      return error_row(Errc::protocol_violation).name;
    case EndReason::message_too_large:
      return error_row(Errc::message_too_large).name;
    case EndReason::hub_unavailable:
      return error_row(Errc::storage_failed).name;
    case EndReason::throttled:
      return error_row(Errc::throttled).name;
    case EndReason::quota_exceeded:
      return error_row(Errc::quota_exceeded).name;
    case EndReason::takeover:
      return "ConnectionForcefullyClosedOnNewConnection";
    case EndReason::identity_disabled:
      return "DeviceDisabled";
    case EndReason::identity_deleted:
      return error_row(Errc::device_not_found).name;
    case EndReason::refused:
    case EndReason::credential_expired:
    case EndReason::credential_changed:
      return "IotHubUnauthorized";
  }
  return "";
}

std::string described(std::string_view name, std::string_view detail) {
  std::string text(name);
  if (!detail.empty()) text.append(": ").append(detail);
  return text;
}

}  // namespace

EndReason end_reason_of(CloseReason reason) {
  switch (reason) {
    case CloseReason::takeover:
      return EndReason::takeover;
    case CloseReason::identity_disabled:
      return EndReason::identity_disabled;
    case CloseReason::identity_deleted:
      return EndReason::identity_deleted;
    case CloseReason::credential_changed:
      return EndReason::credential_changed;
    case CloseReason::credential_expired:
      return EndReason::credential_expired;
    case CloseReason::shutting_down:
      return EndReason::shutting_down;
  }
  return EndReason::shutting_down;
}

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
    case EndReason::fault:
      return "fault";
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
    case EndReason::fault:
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

std::string status_description(EndReason reason, std::string_view detail) {
  const std::string_view name = status_name(reason);
  return name.empty() ? std::string() : described(name, detail.empty() ? to_string(reason) : detail);
}

std::string refusal_description(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
      return described("IotHubUnauthorized", error.detail);
    case Errc::device_disabled:
      return described("DeviceDisabled", error.detail);
    default:
      return described(error_row(error.code).name, error.detail);
  }
}

std::string_view to_string(DeviceProtocol protocol) {
  switch (protocol) {
    case DeviceProtocol::mqtt:
      return "Mqtt";
    case DeviceProtocol::amqp:
      return "Amqp";
    case DeviceProtocol::https:
      break;
  }
  return "Https";
}

std::string auth_type_json(AuthScope scope, AuthKind kind) {
  std::string text = R"({"scope":")";
  text += scope == AuthScope::hub ? "hub" : scope == AuthScope::module ? "module" : "device";
  text += R"(","type":")";
  text += kind == AuthKind::sas ? "sas" : "x509";
  text += R"(","issuer":"iothub"})";
  return text;
}

}  // namespace kyanite
