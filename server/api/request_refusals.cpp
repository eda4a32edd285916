#include "server/api/request_refusals.h"

#include "protocol/auth/sas_token.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/http/websocket_upgrade.h"

namespace kyanite {
namespace {

bool is_for_who_asked(Errc code) {
  return code == Errc::unauthorized || code == Errc::device_disabled || code == Errc::device_not_found ||
         code == Errc::module_not_found || code == Errc::throttled || code == Errc::quota_exceeded;
}

bool is_upgrade_refusal(Errc code) {
  return code == Errc::argument_invalid || code == Errc::method_not_allowed || code == Errc::shutting_down;
}

// What the client claims to prove itself with.
std::optional<std::pair<AuthScope, AuthKind>> claimed_credential(const HttpRequest& request,
                                                                 const Identity& identity) {
  const AuthScope own = identity.is_module() ? AuthScope::module : AuthScope::device;
  const auto authorization = request.header("authorization");
  if (!authorization || authorization->empty()) {
    if (request.peer.certificate_chain.empty()) return std::nullopt;
    return std::pair(own, AuthKind::x509);
  }
  const Result<SasToken> token = parse_sas_token(*authorization);
  const bool is_policy = identity.device.empty() || (token && !token->policy.empty());
  return std::pair(is_policy ? AuthScope::hub : own, AuthKind::sas);
}

// The names that a client offers are its own text, and not for the journal.
Error without_offer(const Error& error) {
  return {error.code, error.detail.substr(0, error.detail.find(" ("))};
}

bool speaks_amqp(const HttpRequest& request) {
  if (!request.segments.empty() && equals_ignoring_case(request.segments[0], "$servicebus")) return true;
  return is_amqp_subprotocol(request.header("sec-websocket-protocol").value_or(std::string_view()));
}

}  // namespace

Identity identity_of_own_route(const HttpRequest& request, const RouteMatch& route) {
  Identity identity{route.parameters.at(0), {}};
  if (request.segments.size() > 3 && equals_ignoring_case(request.segments[2], "modules"))
    identity.module = route.parameters.at(1);
  return identity;
}

void remember_refusal(ConnectionJournal& journal, const HttpRequest& request, const Error& error) {
  RefusedRequest refused;
  refused.address = request.peer.address;
  refused.client = request.header("user-agent").value_or(std::string_view());
  refused.tls_version = request.peer.tls_version;
  if (is_websocket_path(request)) {
    if (!is_upgrade_refusal(error.code)) return;
    refused.caller = RefusedRequest::Caller::websocket;
    refused.protocol = speaks_amqp(request) ? DeviceProtocol::amqp : DeviceProtocol::mqtt;
    return journal.on_request_refused(refused, without_offer(error));
  }
  if (!is_for_who_asked(error.code)) return;
  const Result<RouteMatch> route = match_route(request, true);
  if (!route) return;
  if (route->is_devices_own) {
    refused.identity = identity_of_own_route(request, *route);
  } else {
    if (error.code != Errc::unauthorized) return;
    refused.caller = RefusedRequest::Caller::back_end;
  }
  refused.credential = claimed_credential(request, refused.identity);
  journal.on_request_refused(refused, error);
}

}  // namespace kyanite
