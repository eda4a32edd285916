#include "server/hub/events_endpoint.h"

#include <algorithm>

namespace kyanite {
std::string hub_short_name(std::string_view host_name) {
  return std::string(host_name.substr(0, host_name.find('.')));
}

EventsEndpoint events_endpoint(const Settings& settings, std::string_view hub_host_name) {
  EventsEndpoint endpoint{settings.events.host_name, settings.events.entity};
  if (endpoint.host_name.empty()) endpoint.host_name = hub_host_name;
  if (endpoint.entity.empty()) {
    endpoint.entity = "iothub-ehub-" + hub_short_name(hub_host_name);
    // An IPv6 address has colons.
    std::replace(endpoint.entity.begin(), endpoint.entity.end(), ':', '-');
    while (endpoint.entity.back() == '-') endpoint.entity.pop_back();
  }
  return endpoint;
}

}  // namespace kyanite
