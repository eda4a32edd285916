#pragma once

#include <string_view>

#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/time.h"
#include "protocol/http/request.h"

namespace kyanite {

// What a request did, where the log tells of it beside the request.
enum class RequestSubject { other, c2d_send, method_call };

// What became of one request. Views are valid during the call only.
struct RequestOutcome {
  HttpVerb verb = HttpVerb::other;
  std::string_view path;  // as sent, without query
  std::string_view peer;
  std::string_view tracking_id;
  int status = 0;
  const Error* error = nullptr;  // why it was refused; its detail is for the log only
  SteadyTime::duration took{};   // until the answer was ready, for a stream until its head was
  std::string_view trace_id;     // of the caller's traceparent; empty without a valid one
  RequestSubject subject = RequestSubject::other;
  const Identity* identity = nullptr;  // whom the subject is about
};

// ApiObserver is told what logs and metrics want to know of requests; every 401 comes with its reason.
//
// Threads: called on the shard of the request, from several shards at once; must not block.
class ApiObserver {
 public:
  virtual ~ApiObserver() = default;
  virtual void on_answered(const RequestOutcome& outcome) = 0;
};

}  // namespace kyanite
