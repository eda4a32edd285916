#include "server/api/device_c2d_api.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/http/etag.h"
#include "server/api/api_response.h"
#include "server/api/message_headers.h"
#include "server/hub/c2d_message.h"

namespace kyanite {
namespace {

constexpr std::string_view kLockTime = "iothub-messagelocktimeout";
constexpr std::string_view kUnknownType = "application/octet-stream";

// Zero when the request leaves it to the hub.
Result<milliseconds> lock_time_of(const HttpRequest& request) {
  const std::string_view text =
      request.header(kLockTime).value_or(request.query_value(kLockTime).value_or(""));
  if (text.empty()) return milliseconds{0};
  long long count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < limits::kC2dPollLockMin.count() ||
      count > limits::kC2dPollLockMax.count()) {
    return Error(Errc::argument_invalid, "IotHub-MessageLockTimeout must be a whole number from 5 to 300");
  }
  return milliseconds(seconds(count));
}

// "&reject", "reject=", "reject=true", and the name that begins with a question mark.
bool asks_for_reject(const HttpRequest& request) {
  return std::any_of(request.query.begin(), request.query.end(), [](const auto& parameter) {
    std::string_view name = parameter.first;
    if (name.starts_with('?')) name.remove_prefix(1);
    return name == "reject" && !equals_ignoring_case(parameter.second, "false");
  });
}

// Content types in both spellings that SDKs read, and no Content-Encoding: HTTP stacks would decompress.
HttpResponse message_response(C2dLease lease) {
  C2dMessage& message = lease.message;
  HttpResponse response;
  const auto put = [&response](std::string_view name, std::string_view value) {
    if (!value.empty()) response.headers.emplace_back(name, header_value(value));
  };
  put("ETag", quote_etag(lease.lock));
  put("iothub-messageid", message.header.message_id);
  put("iothub-sequencenumber", std::to_string(message.header.sequence));
  put("iothub-enqueuedtime", to_iso_time(message.header.enqueued));
  put("iothub-deliverycount", std::to_string(message.header.delivery_count));
  put("iothub-to", message.to.empty() ? "/devices/" + message.device + "/messages/devicebound" : message.to);
  if (message.header.explicit_expiry) put("iothub-expiry", to_iso_time(message.header.expiry));
  put("iothub-correlationid", message.correlation_id);
  put("iothub-userid", message.user_id);
  put("iothub-ack", to_string(message.header.ack));
  put("ContentType", message.content_type);
  put("iothub-contenttype", message.content_type);
  put("ContentEncoding", message.content_encoding);
  put("iothub-contentencoding", message.content_encoding);
  for (const Property& property : message.application) {
    response.headers.emplace_back("iothub-app-" + header_name(property.name),
                                  header_value(property.value.value_or(std::string())));
  }
  response.content_type = message.content_type.empty() ? kUnknownType : header_value(message.content_type);
  response.body = std::move(message.body);
  return response;
}

void settle(const ApiCall& call, C2dSettlement settlement, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const auto& ids = call.route.parameters;
  hub.router.send(SettleLease{{ids.at(0), {}},
                              to_lower_ascii(ids.at(1)),
                              settlement,
                              answer_with<void>(hub.executor, std::move(reply), no_content)});
}

}  // namespace

void receive_c2d(const ApiCall& call, Reply<HttpResponse> reply) {
  const Result<milliseconds> lock_time = lock_time_of(call.request);
  if (!lock_time) return reply(lock_time.error());
  HubServices& hub = call.context.services;
  hub.router.send(LeaseC2d{
      {call.route.parameters.at(0), {}},
      *lock_time,
      answer_with<std::optional<C2dLease>>(hub.executor, std::move(reply), [](std::optional<C2dLease> lease) {
        return lease ? message_response(*std::move(lease)) : no_content();
      })});
}

void complete_c2d(const ApiCall& call, Reply<HttpResponse> reply) {
  settle(call, asks_for_reject(call.request) ? C2dSettlement::reject : C2dSettlement::complete,
         std::move(reply));
}

void abandon_c2d(const ApiCall& call, Reply<HttpResponse> reply) {
  settle(call, C2dSettlement::abandon, std::move(reply));
}

}  // namespace kyanite
