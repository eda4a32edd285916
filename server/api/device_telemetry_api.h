#pragma once

#include "server/api/api_call.h"

// Telemetry of devices over HTTPS (service-rest.md 9.5).
namespace kyanite {

// POST /devices/{id}[/modules/{mid}]/messages/events: 204 once all of the request's messages are durable.
// With limits.tier set it waits for its turn like telemetry over MQTT (device-mqtt.md 9.4).
void send_events(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
