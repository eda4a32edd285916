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
  json["etag"] = etag_of(policy);
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

// "RegistryRead, ServiceConnect" or ["RegistryRead", "ServiceConnect"].
Result<Rights> parse_rights(const Json& value) {
  if (value.is_string()) return rights_from_text(value.get_ref<const std::string&>());
  if (!value.is_array() || value.empty())
    return Error(Errc::argument_invalid, "rights must be a text or a list of texts");
  Rights rights;
  for (const Json& word : value) {
    if (!word.is_string()) return Error(Errc::argument_invalid, "rights must be a text or a list of texts");
    const Result<Rights> named = rights_from_text(word.get_ref<const std::string&>());
    if (!named) return named.error();
    rights = rights | *named;
  }
  return rights;
}

Result<AccessPolicy> parse_policy_body(std::string name, const std::string& text) {
  const Result<Json> body = parse_json(text);
  if (!body) return body.error();
  if (!body->is_object()) return Error(Errc::argument_invalid, "the body must be a JSON object");
  AccessPolicy policy{.name = std::move(name), .primary_key = {}, .secondary_key = {}, .rights = {}};
  for (const auto& [member, value] : members_of(*body)) {
    if (member == "rights") {
      const Result<Rights> rights = parse_rights(value);
      if (!rights) return rights.error();
      policy.rights = *rights;
    } else if (member == "primaryKey" || member == "secondaryKey") {
      if (!value.is_string()) return Error(Errc::argument_invalid, "a key must be a string");
      (member == "primaryKey" ? policy.primary_key : policy.secondary_key) = value.get<std::string>();
    }
  }
  return policy;
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
  reply(entity_response(policy_to_json(*policy, call.context), etag_of(*policy)));
}

void put_policy(const ApiCall& call, Reply<HttpResponse> reply) {
  Result<AccessPolicy> wanted = parse_policy_body(call.route.parameters.at(0), call.request.body);
  if (!wanted) return reply(wanted.error());
  HubServices& hub = call.context.services;
  std::optional<IfMatch> if_match = parse_if_match(call.request.header("if-match"));
  const int status = if_match ? 200 : 201;
  hub.administration.put_policy(
      std::move(*wanted), std::move(if_match),
      answer_with<AccessPolicy>(
          hub.executor, std::move(reply), [&context = call.context, status](const AccessPolicy& policy) {
            HttpResponse response = entity_response(policy_to_json(policy, context), etag_of(policy));
            response.status = status;
            return response;
          }));
}

void delete_policy(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.administration.erase_policy(call.route.parameters.at(0),
                                  parse_if_match(call.request.header("if-match")),
                                  answer_with<void>(hub.executor, std::move(reply), no_content));
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
