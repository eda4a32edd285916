#include "server/api/device_telemetry_api.h"

#include <utility>

#include "server/api/api_response.h"
#include "server/api/telemetry_request.h"
#include "server/hub/throttles.h"

namespace kyanite {
namespace {

// How long the request waits for its turn.
Result<milliseconds> reserve_turn(HubServices& hub, const std::vector<TelemetryItem>& items) {
  if (!hub.throttles.is_on()) return milliseconds{0};
  const WallTime wall = hub.executor.wall_now();
  if (const Result<void> quota = hub.throttles.check_quota(wall); !quota) return quota.error();
  const Result<milliseconds> wait = hub.throttles.reserve(ThrottleClass::d2c_sends, hub.executor.now());
  if (!wait) return wait;
  for (const TelemetryItem& item : items) hub.throttles.meter(item.bytes(), wall);
  return wait;
}

}  // namespace

void send_events(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<std::vector<TelemetryItem>> items = parse_telemetry_request(call.request);
  if (!items) return reply(items.error());
  const Result<milliseconds> wait = reserve_turn(hub, *items);
  if (!wait) return reply(wait.error());
  Reply<void> appended = answer_with<void>(hub.executor, std::move(reply), no_content);
  if (*wait == milliseconds{0}) {
    return call.context.telemetry.append(call.identity(), *call.caller, *items, std::move(appended));
  }
  hub.executor.after(*wait,
                     [&telemetry = call.context.telemetry, identity = call.identity(), caller = *call.caller,
                      items = std::move(*items), appended = std::move(appended)]() mutable {
                       telemetry.append(identity, caller, items, std::move(appended));
                     });
}

}  // namespace kyanite
