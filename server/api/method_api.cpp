#include "server/api/method_api.h"

#include <algorithm>
#include <charconv>

#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/api_throttle.h"

namespace kyanite {
namespace {

constexpr seconds kResponseTimeoutMin{5};
constexpr seconds kMethodTimeoutMax{300};

// The text of a member, ignoring case as everywhere in requests; of equal names the last counts.
std::optional<std::string_view> member_text(const std::vector<JsonMember>& members, std::string_view name) {
  const auto found = std::find_if(members.rbegin(), members.rend(), [name](const JsonMember& member) {
    return equals_ignoring_case(member.name, name);
  });
  if (found == members.rend()) return std::nullopt;
  return found->value;
}

// The same; nothing for null, which clients send for a value they leave out.
std::optional<std::string_view> member(const std::vector<JsonMember>& members, std::string_view name) {
  const auto text = member_text(members, name);
  return text == "null" ? std::nullopt : text;
}

// The service's SDKs write whole numbers; a fraction or a text is refused rather than guessed at.
Result<milliseconds> timeout(std::string_view text, std::string_view name, seconds least) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least.count() ||
      value > kMethodTimeoutMax.count()) {
    return Error(Errc::argument_invalid, std::string(name) + " must be a whole number from " +
                                             std::to_string(least.count()) + " to " +
                                             std::to_string(kMethodTimeoutMax.count()));
  }
  return milliseconds(seconds(value));
}

Result<std::string> method_name(const std::vector<JsonMember>& members) {
  const auto text = member(members, "methodName");
  if (!text) return Error(Errc::argument_invalid, "methodName is missing");
  const Result<Json> json = parse_json(*text);
  if (!json || !json->is_string()) return Error(Errc::argument_invalid, "methodName must be a text");
  std::string name = json->get<std::string>();
  if (auto checked = check_method_name(name); !checked) return checked.error();
  return name;
}
// The value as the device gets it; an explicit null is one.
std::optional<std::string> payload_of(const std::vector<JsonMember>& members) {
  const auto text = member_text(members, "payload");
  if (!text) return std::nullopt;
  return std::string(*text);
}

// 200 whatever the device's own status is.
HttpResponse to_response(const MethodResult& result) {
  HttpResponse response;
  response.body = "{\"status\":" + std::to_string(result.status) + ",\"payload\":";
  response.body += result.payload.empty() ? "null" : result.payload;
  response.body += '}';
  return response;
}

}  // namespace

Result<void> check_method_name(std::string_view name) {
  if (name.empty()) return Error(Errc::argument_invalid, "methodName is empty");
  if (name.size() > limits::kMethodNameBytesMax) {
    return Error(Errc::argument_invalid,
                 "methodName is longer than " + std::to_string(limits::kMethodNameBytesMax) + " bytes");
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), is_control)) {
    return Error(Errc::argument_invalid, "methodName has a control character");
  }
  return {};
}

Result<void> set_timeouts(InvokeMethod& invoke, std::optional<std::string_view> response_timeout,
                          std::optional<std::string_view> connect_timeout) {
  if (invoke.payload && invoke.payload->size() > limits::kMethodPayloadBytesMax) {
    return Error(Errc::message_too_large, "the payload is larger than 131072 bytes");
  }
  if (response_timeout) {
    const auto value = timeout(*response_timeout, "responseTimeoutInSeconds", kResponseTimeoutMin);
    if (!value) return value.error();
    invoke.response_timeout = *value;
  }
  if (connect_timeout) {
    const auto value = timeout(*connect_timeout, "connectTimeoutInSeconds", seconds{0});
    if (!value) return value.error();
    invoke.connect_timeout = *value;
  }
  if (invoke.connect_timeout > invoke.response_timeout) {
    return Error(Errc::argument_invalid,
                 "connectTimeoutInSeconds must not be larger than responseTimeoutInSeconds");
  }
  return {};
}

Result<InvokeMethod> parse_method_body(std::string_view body) {
  const auto members = split_json_object(body);
  if (!members) return Error(Errc::format_error, "the body is " + members.error().detail);
  InvokeMethod invoke;
  Result<std::string> name = method_name(*members);
  if (!name) return name.error();
  invoke.method = std::move(*name);
  invoke.payload = payload_of(*members);
  // The old name of the response timeout counts when the new one is absent.
  auto response_text = member(*members, "responseTimeoutInSeconds");
  if (!response_text) response_text = member(*members, "timeoutInSeconds");
  const auto set = set_timeouts(invoke, response_text, member(*members, "connectTimeoutInSeconds"));
  if (!set) return set.error();
  return invoke;
}

void invoke_method(const ApiCall& call, Reply<HttpResponse> reply) {
  // Edge modules call through their hub with a credential of their own; there is no edge hub here.
  if (call.request.header("x-ms-edge-moduleid")) {
    return reply(Error(Errc::not_implemented, "direct methods called by edge modules are not offered"));
  }
  Result<InvokeMethod> invoke = parse_method_body(call.request.body);
  if (!invoke) return reply(invoke.error());
  invoke->identity = call.identity();
  HubServices& hub = call.context.services;
  const std::size_t payload_bytes = invoke->payload ? invoke->payload->size() : 0;
  if (const Result<void> admitted = admit_call_by_rate(hub, payload_bytes); !admitted) {
    return reply(admitted.error());
  }
  invoke->reply =
      answer_with<MethodResult>(hub.executor, std::move(reply), [&hub](const MethodResult& result) {
        meter_call_answer(hub, result.payload.size());
        return to_response(result);
      });
  hub.router.send(std::move(*invoke));
}

}  // namespace kyanite
