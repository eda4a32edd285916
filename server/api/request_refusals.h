#pragma once

#include "protocol/http/routes.h"
#include "server/hub/connection_journal.h"

namespace kyanite {

// The identity that the path of a device's own route names.
Identity identity_of_own_route(const HttpRequest& request, const RouteMatch& route);

// Puts a request into the journal that was refused for who asked: a device's own with its credential,
// unknown, disabled or over its rate; a back end's for its token; a WebSocket that was not opened. Others are
// mistakes of a client that got in, and not kept.
void remember_refusal(ConnectionJournal& journal, const HttpRequest& request, const Error& error);

}  // namespace kyanite
