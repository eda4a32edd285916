#pragma once

#include <optional>

#include "protocol/base/reply.h"
#include "protocol/http/request.h"
#include "protocol/http/response.h"

namespace kyanite {

// Who answers the requests of HTTP connections; the connections know nothing but bytes and this.
//
// Owner: its shard; called on that shard only, and it outlives the connections.
class HttpRequestHandler {
 public:
  virtual ~HttpRequestHandler() = default;

  // Called for a request with a body once its head was read: a response refuses it before the body costs
  // memory, so that only callers with a valid credential can make the hub hold one.
  virtual std::optional<HttpResponse> refuse_early(const HttpRequest& head) = 0;

  // Answers a whole request, which is valid during the call only. Never blocks.
  virtual void handle(const HttpRequest& request, Reply<HttpResponse> reply) = 0;

  // The answer to a request the connection itself turns down; `request` holds what could be read of it.
  virtual HttpResponse reject(const HttpRequest& request, const Error& error) = 0;
};

}  // namespace kyanite
