#pragma once

#include "server/api/api_call.h"

// Consumer groups of those who read events over AMQP (spec amqp.md 6.4).
namespace kyanite {

void list_consumer_groups(const ApiCall& call, Reply<HttpResponse> reply);
// Without a body; one that is there already stays as it is.
void put_consumer_group(const ApiCall& call, Reply<HttpResponse> reply);
// Its readers are disconnected. $Default cannot go.
void delete_consumer_group(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
