#pragma once

#include "server/amqp/event_pages.h"
#include "server/hub/events_endpoint.h"
#include "server/hub/hub_services.h"

namespace kyanite {

// What the readers of events on one shard share.
//
// Owner: the shard's AmqpShard.
struct EventsShard {
  EventsShard(HubServices& services, EventsEndpoint where)
      : endpoint(std::move(where)), pages(services.executor, services.stores.telemetry()) {}

  EventsEndpoint endpoint;
  EventPages pages;
};

}  // namespace kyanite
