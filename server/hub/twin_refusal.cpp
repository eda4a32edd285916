#include "server/hub/twin_refusal.h"

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/error_catalog.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"

namespace kyanite {
namespace {

// "<32 hex>-G:0-TimeStamp:01/05/2026 10:00:01", the service's form.
std::string twin_tracking_id(std::string_view iso_time) {
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

std::string twin_error_body(Errc code, std::string_view message, WallTime now) {
  const std::string time = to_iso_time(now);
  Json body;
  body["errorCode"] = error_row(code).number;
  body["trackingId"] = twin_tracking_id(time);
  body["message"] = message;
  body["info"] = Json::object();
  body["timestampUtc"] = time;
  return dump_json(body);
}

}  // namespace

TwinRefusal twin_refusal(const Error& error, WallTime now) {
  const ErrorRow& row = error_row(error.code);
  const bool show = may_show_detail(error.code) && !error.detail.empty();
  return {row.http_status,
          twin_error_body(error.code, show ? std::string_view(error.detail) : row.text, now)};
}

}  // namespace kyanite
