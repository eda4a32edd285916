#include "tests/unit/api/rest_hub.h"

#include "protocol/base/percent_encoding.h"

namespace kyanite::test {

std::string RestAnswer::error_name() const {
  const auto header = headers.find("iothub-errorcode");
  if (header == headers.end()) return "no header iothub-errorcode";
  if (!json.contains("Message")) return "no Message";
  const auto message = json["Message"].get<std::string>();
  if (!message.starts_with("ErrorCode:" + header->second + ";"))
    return "header and Message differ: " + message;
  if (message.find(';', message.find(';') + 1) != std::string::npos) return "more than one ';' in " + message;
  if (message.back() == ';') return "no text";
  if (!json["ExceptionMessage"].get<std::string>().starts_with("Tracking ID:")) return "no tracking ID";
  return header->second;
}

void RestHub::Observer::on_answered(const RequestOutcome& outcome) {
  lines.push_back(std::string(to_text(outcome.verb)) + " " + std::string(outcome.path) + " " +
                  std::to_string(outcome.status) + (outcome.error ? " " + outcome.error->detail : ""));
}

RestHub::RestHub(SimHub::Options options)
    : hub(std::move(options)),
      services(hub.services(0)),
      router(services, {"1.2.3", hub.executor(0).now(), hub.executor(0).wall_now(), {}},
             std::make_shared<const HubSecurity>(hub.security()), observer) {
  services.tests = &hub.tests();
  hub.on_clock_shift = [this](milliseconds shift) { router.set_clock_shift(shift); };
  hub.on_faults = [this](const ActiveFaultsPtr& plan) { router.set_faults(plan); };
  hub.on_security = [this](const HubSecurityPtr& security) { router.set_security(security); };
}

HttpRequest RestHub::parse(const RestRequest& request) {
  HttpRequest parsed;
  parsed.verb = parse_http_verb(request.verb);
  std::string target = request.target;
  if (target.find("api-version") == std::string::npos && !target.starts_with("/kyanite/")) {
    target += target.find('?') == std::string::npos ? "?" : "&";
    target += "api-version=2021-04-12";
  }
  parse_http_target(target, parsed);
  parsed.headers = request.headers;
  if (!request.authorization.empty()) {
    const bool is_policy = request.authorization.find(' ') == std::string::npos;
    parsed.headers.emplace_back("authorization",
                                is_policy ? hub.policy_token(request.authorization) : request.authorization);
  }
  parsed.body = request.body;
  parsed.peer.address = "192.0.2.1";
  parsed.tracking_id = "0123456789abcdef0123456789abcdef";
  apply_method_override(parsed);
  return parsed;
}

RestAnswer RestHub::ask(RestRequest request, milliseconds patience) {
  const HttpRequest parsed = parse(request);
  Result<HttpResponse> result = hub.ask<HttpResponse>(
      [&](Reply<HttpResponse> reply) { router.handle(parsed, std::move(reply)); }, patience);
  RestAnswer answer;
  if (!result) return answer;
  answer.status = result->status;
  for (const auto& [name, value] : result->headers) answer.headers[to_lower_ascii(name)] = value;
  if (!result->content_type.empty()) answer.headers["content-type"] = result->content_type;
  answer.close_connection = result->close_connection;
  answer.body = result->body;
  if (!answer.body.empty()) {
    Result<Json> json = parse_json(answer.body);
    if (json) answer.json = std::move(*json);
  }
  answer.stream = std::move(result->stream);
  return answer;
}

RestAnswer RestHub::put(std::string target, std::string body, std::string if_match) {
  RestRequest request{"PUT", std::move(target), std::move(body), {}};
  if (!if_match.empty()) request.headers.emplace_back("if-match", std::move(if_match));
  return ask(std::move(request));
}

RestAnswer RestHub::del(std::string target, std::string if_match) {
  RestRequest request{"DELETE", std::move(target), {}, {}};
  if (!if_match.empty()) request.headers.emplace_back("if-match", std::move(if_match));
  return ask(std::move(request));
}

}  // namespace kyanite::test
