#include "server/hub/events_endpoint.h"

#include <algorithm>

namespace kyanite {
namespace {

constexpr std::uint16_t kAmqpsPortOfClients = 5671;
constexpr std::uint16_t kAmqpPortOfClients = 5672;

std::string connection_string_of(const EventsEndpoint& endpoint, std::uint16_t port,
                                 std::uint16_t port_of_clients, const AccessPolicy& policy) {
  const bool is_ipv6 = endpoint.host_name.find(':') != std::string::npos;
  std::string text = "Endpoint=sb://" + (is_ipv6 ? "[" + endpoint.host_name + "]" : endpoint.host_name);
  if (port != port_of_clients) text += ":" + std::to_string(port);
  return text + "/;SharedAccessKeyName=" + policy.name + ";SharedAccessKey=" + policy.primary_key +
         ";EntityPath=" + endpoint.entity;
}

}  // namespace

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

std::string events_connection_string(const EventsEndpoint& endpoint, std::uint16_t amqps_port,
                                     const AccessPolicy& policy) {
  return connection_string_of(endpoint, amqps_port, kAmqpsPortOfClients, policy);
}

std::string emulator_connection_string(const EventsEndpoint& endpoint, std::uint16_t amqp_port,
                                       const AccessPolicy& policy) {
  return connection_string_of(endpoint, amqp_port, kAmqpPortOfClients, policy) +
         ";UseDevelopmentEmulator=true";
}

}  // namespace kyanite
