#include "server/device/twin_response.h"

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/error_catalog.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"
#include "protocol/twin/twin_json.h"

namespace kyanite {
namespace {

// "<32 hex>-G:0-TimeStamp:01/05/2026 10:00:01", the service's form.
std::string tracking_id(std::string_view iso_time) {
  std::string id = random_hex(16) + "-G:0-TimeStamp:";
  id += iso_time.substr(5, 2);
  id += '/';
  id += iso_time.substr(8, 2);
  id += '/';
  id += iso_time.substr(0, 4);
  id += ' ';
  id += iso_time.substr(11, 8);
  return id;
}

// Where the detail tells the device what is wrong with its request.
bool may_show_detail(Errc code) {
  return code == Errc::argument_invalid || code == Errc::message_too_large ||
         code == Errc::precondition_failed;
}

std::string twin_response_topic(int status, std::string_view request_id) {
  std::string topic = "$iothub/twin/res/" + std::to_string(status) + "/?$rid=";
  topic += request_id;
  return topic;
}

std::string twin_error_body(Errc code, std::string_view message, WallTime now) {
  const std::string time = to_iso_time(now);
  Json body;
  body["errorCode"] = error_row(code).number;
  body["trackingId"] = tracking_id(time);
  body["message"] = message;
  body["info"] = Json::object();
  body["timestampUtc"] = time;
  return dump_json(body);
}

}  // namespace

TwinResponse twin_read_response(std::string_view request_id, const TwinRecord& twin) {
  return {twin_response_topic(200, request_id),
          device_twin_body(twin.desired, twin.desired_version, twin.reported, twin.reported_version)};
}

TwinResponse reported_accepted_response(std::string_view request_id, std::uint64_t version) {
  return {twin_response_topic(204, request_id) + "&$version=" + std::to_string(version), std::string()};
}

TwinResponse twin_refused_response(std::string_view request_id, const Error& error, WallTime now) {
  const ErrorRow& row = error_row(error.code);
  const bool show = may_show_detail(error.code) && !error.detail.empty();
  return {twin_response_topic(row.http_status, request_id),
          twin_error_body(error.code, show ? std::string_view(error.detail) : row.text, now)};
}

std::string desired_notification_topic(std::uint64_t version) {
  return "$iothub/twin/PATCH/properties/desired/?$version=" + std::to_string(version);
}

}  // namespace kyanite
