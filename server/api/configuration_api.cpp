#include "server/api/configuration_api.h"

#include <charconv>
#include <utility>

#include "protocol/base/limits.h"
#include "server/api/api_response.h"
#include "server/api/configuration_json.h"
#include "server/hub/edge_content.h"

namespace kyanite {
namespace {

HttpResponse configuration_response(const ConfigurationView& view) {
  return entity_response(configuration_to_json(view), configuration_etag(view.record));
}

Result<std::size_t> configurations_wanted(const HttpRequest& request) {
  const auto text = request.query_value("top");
  if (!text) return limits::kConfigurationsMax;
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (error != std::errc() || end != text->data() + text->size() || count == 0) {
    return Error(Errc::argument_invalid, "top must be a positive whole number");
  }
  return count;
}

}  // namespace

void list_configurations(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const Result<std::size_t> limit = configurations_wanted(call.request);
  if (!limit) return reply(limit.error());
  hub.configurations.list(
      *limit, answer_with<std::vector<ConfigurationView>>(hub.executor, std::move(reply),
                                                          [](const std::vector<ConfigurationView>& views) {
                                                            Json array = Json::array();
                                                            for (const ConfigurationView& view : views)
                                                              array.push_back(configuration_to_json(view));
                                                            return json_response(array);
                                                          }));
}

void get_configuration(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.configurations.get(
      call.route.parameters.at(0),
      answer_with<ConfigurationView>(hub.executor, std::move(reply), configuration_response));
}

void put_configuration(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<ConfigurationRecord> wanted = parse_configuration(call.request.body, call.route.parameters.at(0));
  if (!wanted) return reply(wanted.error());
  hub.configurations.put(
      std::move(*wanted), parse_if_match(call.request.header("if-match")),
      answer_with<ConfigurationView>(hub.executor, std::move(reply), configuration_response));
}

void delete_configuration(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.configurations.erase(call.route.parameters.at(0), parse_if_match(call.request.header("if-match")),
                           answer_with<void>(hub.executor, std::move(reply), no_content));
}

void test_configuration_queries(const ApiCall& call, Reply<HttpResponse> reply) {
  const Result<Json> answer = test_configuration(call.request.body);
  if (!answer) return reply(answer.error());
  reply(json_response(*answer));
}

void apply_configuration_content(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const Result<Json> content = parse_json(call.request.body, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!content) return reply(content.error());
  if (!content->is_object()) {
    return reply(Error(Errc::configuration_content_invalid, "the body must be a JSON object"));
  }
  const Result<ConfigurationKind> kind = kind_of_content(*content);
  if (!kind) return reply(kind.error());
  if (*kind != ConfigurationKind::edge) {
    return reply(Error(Errc::configuration_content_invalid, "content for one device is modulesContent"));
  }
  if (is_layer(*content)) {
    return reply(Error(Errc::configuration_content_invalid,
                       "content for one device says everything: $edgeAgent needs properties.desired"));
  }
  EdgeDeployment deployment;
  deployment.modules = *find_member(*content, "modulesContent");
  apply_edge_content(hub.executor, hub.router, call.identity().device, std::move(deployment),
                     answer_with<void>(hub.executor, std::move(reply), no_content));
}

}  // namespace kyanite
