#include "server/api/statistics_api.h"

#include "server/api/api_response.h"
#include "server/hub/registry_service.h"

namespace kyanite {

void device_statistics(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.counts(answer_with<IdentityCounts>(hub.executor, std::move(reply), [](IdentityCounts counts) {
    return json_response({{"totalDeviceCount", counts.devices},
                          {"enabledDeviceCount", counts.devices - counts.disabled},
                          {"disabledDeviceCount", counts.disabled}});
  }));
}

void service_statistics(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.connected(
      answer_with<ServiceStatistics>(hub.executor, std::move(reply), [](ServiceStatistics statistics) {
        return json_response({{"connectedDeviceCount", statistics.connected_devices}});
      }));
}

}  // namespace kyanite
