#pragma once

#include <memory>
#include <unordered_set>

#include "server/http/http_shard.h"

namespace kyanite {

// One HTTP connection as its shard sees it. It keeps itself alive by what it waits for (a socket operation or
// the handler's reply) and by nothing else; it leaves the set when it goes.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  virtual ~HttpConnection() = default;
  virtual void drain() = 0;
  virtual void cut() = 0;
};

// What the connections of one shard share. Held by them too, so that one that goes late finds it.
struct HttpConnections {
  Shard& shard;
  HttpRequestHandler& handler;
  const HttpLimits limits;
  WebSocketOffer websocket;
  HttpCounters counters;
  std::unordered_set<HttpConnection*> members;
  bool draining = false;
  bool in_a_hurry = false;  // of the same
  Task on_empty;

  void check_empty();
};

void start_http_connection(std::shared_ptr<HttpConnections> home, std::unique_ptr<TlsStream> stream);

}  // namespace kyanite
