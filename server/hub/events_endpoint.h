#pragma once

#include <string>
#include <string_view>

#include "config/settings.h"

namespace kyanite {

// Where readers of events connect to, as Event Hubs clients see it (spec amqp.md 6.1).
struct EventsEndpoint {
  std::string host_name;
  std::string entity;  // the event hub
};

// "hub" of "hub.example.test"; of an IPv4 address the first number (spec amqp.md 1.2).
std::string hub_short_name(std::string_view host_name);

// By the settings events.hostname and events.entity, and what the hub's own name gives for them.
EventsEndpoint events_endpoint(const Settings& settings, std::string_view hub_host_name);

}  // namespace kyanite
