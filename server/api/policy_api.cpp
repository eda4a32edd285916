#include "server/api/policy_api.h"

#include "protocol/auth/connection_string.h"
#include "server/api/api_response.h"
#include "server/hub/events_endpoint.h"
#include "server/hub/hub_administration.h"

namespace kyanite {
namespace {

Json policy_to_json(const AccessPolicy& policy, const ApiContext& context) {
  Json json;
  json["name"] = policy.name;
  json["rights"] = rights_to_text(policy.rights);
  json["primaryKey"] = policy.primary_key;
  json["secondaryKey"] = policy.secondary_key;
  json["connectionString"] =
      service_connection_string(context.security->host_names.front(), context.facts.ports.https, policy);
  const HubPorts& ports = context.facts.ports;
  const EventsEndpoint events =
      events_endpoint(context.services.settings, context.security->host_names.front());
  if (ports.amqps != 0) {
    json["eventsConnectionString"] =
        events_connection_string(events.host_name, ports.amqps, events.entity, policy);
  }
  if (ports.amqp != 0) {
    json["eventsEmulatorConnectionString"] =
        emulator_connection_string(events.host_name, ports.amqp, events.entity, policy);
  }
  return json;
}

Result<PolicyKey> parse_key_body(const std::string& text) {
  const Result<Json> body = parse_json(text);
  if (!body) return body.error();
  const Json* key = body->is_object() ? find_member(*body, "key") : nullptr;
  if (key != nullptr && *key == "primary") return PolicyKey::primary;
  if (key != nullptr && *key == "secondary") return PolicyKey::secondary;
  return Error(Errc::argument_invalid, R"(the body must be {"key":"primary"} or {"key":"secondary"})");
}

}  // namespace

void list_policies(const ApiCall& call, Reply<HttpResponse> reply) {
  Json array = Json::array();
  for (const AccessPolicy& policy : call.context.security->policies) {
    array.push_back(policy_to_json(policy, call.context));
  }
  reply(json_response({{"policies", std::move(array)}}));
}

void get_policy(const ApiCall& call, Reply<HttpResponse> reply) {
  const AccessPolicy* policy = find_policy(call.context.security->policies, call.route.parameters.at(0));
  if (policy == nullptr) return reply(unknown_policy());
  reply(json_response(policy_to_json(*policy, call.context)));
}

void regenerate_policy_key(const ApiCall& call, Reply<HttpResponse> reply) {
  const Result<PolicyKey> key = parse_key_body(call.request.body);
  if (!key) return reply(key.error());
  HubServices& hub = call.context.services;
  hub.administration.regenerate_policy_key(
      call.route.parameters.at(0), *key,
      answer_with<AccessPolicy>(hub.executor, std::move(reply),
                                [&context = call.context](const AccessPolicy& policy) {
                                  return json_response(policy_to_json(policy, context));
                                }));
}

}  // namespace kyanite
