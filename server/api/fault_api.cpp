#include "server/api/fault_api.h"

#include "server/api/api_response.h"
#include "server/api/fault_json.h"
#include "server/hub/test_control.h"

namespace kyanite {

void list_faults(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.tests->faults.list(answer_with<std::vector<FaultView>>(
      hub.executor, std::move(reply), [](const std::vector<FaultView>& faults) {
        Json array = Json::array();
        for (const FaultView& fault : faults) array.push_back(fault_to_json(fault));
        return json_response({{"faults", std::move(array)}});
      }));
}

void add_fault(const ApiCall& call, Reply<HttpResponse> reply) {
  const Result<Json> body = parse_json(call.request.body);
  if (!body) return reply(body.error());
  Result<FaultRule> rule = fault_from_json(*body);
  if (!rule) return reply(rule.error());
  HubServices& hub = call.context.services;
  hub.tests->faults.add(std::move(*rule),
                        answer_with<FaultView>(hub.executor, std::move(reply), [](const FaultView& fault) {
                          return json_response(fault_to_json(fault));
                        }));
}

void delete_fault(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.tests->faults.remove(call.route.parameters.at(0),
                           answer_with<void>(hub.executor, std::move(reply), no_content));
}

void clear_faults(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.tests->faults.clear(answer_with<void>(hub.executor, std::move(reply), no_content));
}

Error error_of(const FaultRule& rule) {
  const std::string detail = "fault " + rule.id;
  switch (rule.http_status) {
    case 429:
      return {Errc::throttled, detail};
    case 500:
      return {Errc::internal, detail};
    case 502:
      return {Errc::bad_device_response, detail};
    case 504:
      return {Errc::timed_out, detail};
    default:
      return {Errc::busy, detail};
  }
}

}  // namespace kyanite
