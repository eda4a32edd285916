#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "protocol/http/response.h"
#include "protocol/http/routes.h"
#include "server/hub/hub_services.h"
#include "server/hub/telemetry_requests.h"

namespace kyanite {

class WaitRoom;

// As bound; 0: nobody listens.
struct HubPorts {
  std::uint16_t https = 443;
  std::uint16_t amqps = 0;
  std::uint16_t amqp = 0;
};

// What the hub says about itself; fixed once it is ready.
struct HubFacts {
  std::string version;
  SteadyTime started{};
  WallTime started_at{};
  HubPorts ports{};
  std::uint64_t incarnation = 1;  // of test control
};

// What the operations of one shard share.
//
// Owner: the shard's ApiRouter, which outlives every response stream made here.
struct ApiContext {
  HubServices& services;
  TelemetryRequests& telemetry;
  HubFacts facts;
  HubSecurityPtr security;             // the present snapshot
  milliseconds clock_shift{0};         // of the wall clock against the real one
  std::size_t event_streams_open = 0;  // bound: limits::kEventStreamsMax
  WaitRoom* waits = nullptr;
  std::size_t export_streams_open = 0;  // bound: limits::kExportStreamsMax
};

// One authorised request on its way to an operation; valid during the call only.
struct ApiCall {
  const HttpRequest& request;
  const RouteMatch& route;
  ApiContext& context;
  const RequestVerdict* caller = nullptr;  // on the routes of devices: whose request it is

  // The identity named by the path: /devices/{id}[/modules/{mid}].
  Identity identity() const {
    const auto& ids = route.parameters;
    return {ids.at(0), ids.size() > 1 ? ids[1] : std::string()};
  }
};

// Turns the reply of a request into one of the hub's: an error passes through, a value becomes a response.
template <class T, class Make>
Reply<T> answer_with(Executor& home, Reply<HttpResponse> reply, Make make) {
  return Reply<T>(home, [reply = std::move(reply), make = std::move(make)](Result<T> result) mutable {
    if (!result) {
      reply(result.error());
    } else if constexpr (std::is_void_v<T>) {
      reply(make());
    } else {
      reply(make(std::move(*result)));
    }
  });
}

}  // namespace kyanite
