#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "protocol/base/limits.h"
#include "protocol/base/reply.h"
#include "protocol/http/request.h"
#include "protocol/http/response.h"

namespace kyanite {

// Takes the body of one request piece by piece, where it may be larger than memory should hold.
//
// Owner: the connection, which destroys it early when the body will not be complete; called on its shard.
class RequestBodySink {
 public:
  virtual ~RequestBodySink() = default;
  // The next piece is read after the reply. An error is the answer to the request.
  virtual void write(std::string piece, Reply<void> taken) = 0;
  // The body is complete.
  virtual void finish(Reply<HttpResponse> reply) = 0;
};

// What becomes of a request's body.
struct BodyPlan {
  std::optional<HttpResponse> refusal;    // it is not read at all
  std::unique_ptr<RequestBodySink> sink;  // null: it goes into HttpRequest::body
  std::uint64_t bytes_max = limits::kRequestBodyBytesMax;
};

// Who answers the requests of HTTP connections; the connections know nothing but bytes and this.
//
// Owner: its shard; called on that shard only, and it outlives the connections.
class HttpRequestHandler {
 public:
  virtual ~HttpRequestHandler() = default;

  // Called for a request with a body once its head was read: a response refuses it before the body costs
  // memory, so that only callers with a valid credential can make the hub hold one.
  virtual std::optional<HttpResponse> refuse_early(const HttpRequest& head) = 0;

  // The same where that takes asking others, or where the body does not belong into memory: a head for which
  // the first is true goes to the second, too.
  virtual bool plans_body(const HttpRequest& head) const = 0;
  virtual void plan_body(const HttpRequest& head, Reply<BodyPlan> reply) = 0;

  // Answers a whole request, which is valid during the call only. Never blocks.
  virtual void handle(const HttpRequest& request, Reply<HttpResponse> reply) = 0;

  // The answer to a request the connection itself turns down; `request` holds what could be read of it.
  virtual HttpResponse reject(const HttpRequest& request, const Error& error) = 0;
};

}  // namespace kyanite
