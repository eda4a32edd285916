#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "protocol/base/error_catalog.h"
#include "protocol/base/iso_time.h"
#include "protocol/http/response.h"

namespace kyanite {
namespace {

constexpr std::size_t kTextBytesMax = 512;

// Where the detail tells the caller what to change in the request. Anything else answers with the catalogue's
// sentence: above all a refused credential must not say which part of it failed (service-rest.md 2.5).
bool may_show_detail(Errc code) {
  switch (code) {
    case Errc::argument_invalid:
    case Errc::argument_null:
    case Errc::format_error:
    case Errc::protocol_version_invalid:
    case Errc::device_scope_invalid:
    case Errc::device_not_found:
    case Errc::module_not_found:
    case Errc::not_found:
    case Errc::device_already_exists:
    case Errc::module_already_exists:
    case Errc::conflict:
    case Errc::digital_twin_patch_invalid:
    case Errc::digital_twin_path_invalid:
    case Errc::job_already_exists:
    case Errc::operation_not_allowed:
    case Errc::configuration_condition_invalid:
    case Errc::configuration_content_invalid:
    case Errc::configuration_metrics_invalid:
    case Errc::policy_key_invalid:
    case Errc::blob_container_invalid:
    case Errc::operation_failed:
      return true;
    default:
      return false;
  }
}

// What ended a direct method; the detail says which of several causes it was.
bool is_about_a_call(Errc code) {
  switch (code) {
    case Errc::device_not_online:
    case Errc::timed_out:
    case Errc::bad_device_response:
    case Errc::message_too_large:
    case Errc::too_many_calls:
    case Errc::not_implemented:
    case Errc::shutting_down:
      return true;
    default:
      return false;
  }
}

// Node cuts Message at each ';' and expects exactly one, in front of the text (service-rest.md 3.2).
std::string message_text(std::string_view text) {
  std::string clean(text.substr(0, kTextBytesMax));
  for (char& c : clean) {
    if (c == ';') c = ',';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return clean;
}

}  // namespace

HttpResponse error_response(const Error& error, const std::string& tracking_id,
                            const std::string& timestamp) {
  const ErrorRow& row = error_row(error.code);
  const bool show = may_show_detail(error.code) && !error.detail.empty();
  std::string message("ErrorCode:");
  message += row.name;
  message += ';';
  message += message_text(show ? std::string_view(error.detail) : row.text);

  nlohmann::ordered_json body;
  body["Message"] = std::move(message);
  body["ExceptionMessage"] = "Tracking ID:" + tracking_id + "-G:0-TimeStamp:" + timestamp;

  HttpResponse response;
  response.status = row.http_status;
  response.headers.emplace_back("iothub-errorcode", std::string(row.name));
  // An id from the path may hold any bytes, and a cut text may end inside a character.
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

HttpResponse nested_error_response(const Error& error, const std::string& tracking_id, WallTime time) {
  const ErrorRow& row = error_row(error.code);
  const bool show = (may_show_detail(error.code) || is_about_a_call(error.code)) && !error.detail.empty();
  std::string sentence = message_text(show ? std::string_view(error.detail) : row.text);
  if (!sentence.starts_with(row.name)) sentence = std::string(row.name) + ": " + sentence;
  const std::string now = to_iso_time(time);

  // No object inside: C# reads the members as texts.
  nlohmann::ordered_json inner;
  inner["errorCode"] = row.number;
  inner["trackingId"] = tracking_id + "-G:0-TimeStamp:" + now;
  inner["message"] = std::move(sentence);
  inner["info"] = nullptr;
  inner["timestampUtc"] = now;
  constexpr auto replace = nlohmann::ordered_json::error_handler_t::replace;
  nlohmann::ordered_json body;
  body["Message"] = inner.dump(-1, ' ', false, replace);
  body["ExceptionMessage"] = "";

  HttpResponse response;
  response.status = row.http_status;
  response.headers.emplace_back("iothub-errorcode", std::string(row.name));
  response.body = body.dump(-1, ' ', false, replace);
  return response;
}

std::string to_error_time(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  char text[32];
  std::snprintf(text, sizeof text, "%02u/%02u/%04d %02d:%02d:%02d", static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace kyanite
