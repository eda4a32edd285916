#include "server/api/consumer_group_api.h"

#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/consumer_groups.h"

namespace kyanite {
namespace {

Json consumer_group_to_json(const ConsumerGroup& group) {
  Json json;
  json["name"] = group.name;
  json["created"] = to_iso_time(group.created);
  json["readers"] = group.readers;
  return json;
}

}  // namespace

void list_consumer_groups(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.consumer_groups.list(answer_with<std::vector<ConsumerGroup>>(
      hub.executor, std::move(reply), [](const std::vector<ConsumerGroup>& groups) {
        Json array = Json::array();
        for (const ConsumerGroup& group : groups) array.push_back(consumer_group_to_json(group));
        return json_response({{"consumerGroups", std::move(array)}});
      }));
}

void put_consumer_group(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.consumer_groups.put(
      call.route.parameters.at(0),
      answer_with<ConsumerGroup>(hub.executor, std::move(reply), [](const ConsumerGroup& group) {
        return json_response(consumer_group_to_json(group));
      }));
}

void delete_consumer_group(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.consumer_groups.erase(call.route.parameters.at(0),
                            answer_with<void>(hub.executor, std::move(reply), no_content));
}

}  // namespace kyanite
