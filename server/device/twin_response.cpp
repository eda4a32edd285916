#include "server/device/twin_response.h"

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/error_catalog.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"

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

}  // namespace

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

}  // namespace kyanite
