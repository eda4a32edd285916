#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "protocol/http/request_handler.h"
#include "protocol/http/websocket_upgrade.h"
#include "server/net/tls_stream.h"
#include "server/net/ws_channel.h"
#include "server/runtime/shard.h"

namespace kyanite {

// Bounds of the connections of one shard.
struct HttpLimits {
  std::size_t connections_max = 10'000;
  milliseconds idle_time{120'000};  // between requests
  milliseconds head_time{30'000};   // from the first byte of a request to the end of its head
  milliseconds body_time{60'000};   // from there to the end of its body
  milliseconds write_time{60'000};  // for one response, or one piece of a stream, to leave
  milliseconds linger_time{5'000};  // after our end was sent, for the peer to finish
  std::size_t linger_bytes_max =
      16 * 1024 * 1024;  // more than any body may have; what is read and dropped meanwhile
};

struct HttpCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused_full = 0;  // closed at once: connections_max was reached
  std::uint64_t requests = 0;      // handed to the handler
  std::uint64_t rejected = 0;      // turned down by the connection itself
  std::uint64_t timed_out = 0;
  std::uint64_t upgraded = 0;  // became WebSockets, and are connections of this shard no more
};

// What becomes of a connection that asks for the WebSocket path (see is_websocket_path).
struct WebSocketOffer {
  WebSocketRules rules;
  // Takes the stream over, on this shard; 101 is not sent yet.
  std::function<void(std::unique_ptr<TlsStream> stream, WsHandshake handshake)> accept;
};

struct HttpConnections;

// HttpShard holds the HTTP connections of one shard.
//
// Owner: the application; every call on the shard's thread, or after it was joined. The handler and the shard
// outlive it. Bound: limits.connections_max; each connection has one request under way and at most
// limits::kHttpHeaderBytesMax + limits::kRequestBodyBytesMax of it in memory.
class HttpShard {
 public:
  HttpShard(Shard& shard, HttpRequestHandler& handler, HttpLimits limits = {});
  ~HttpShard();  // cuts every connection
  HttpShard(const HttpShard&) = delete;
  HttpShard& operator=(const HttpShard&) = delete;

  // Before the first accept. Without it the path is one like any other.
  void offer_websocket(WebSocketOffer offer);

  // Takes a stream whose handshake has finished, on this shard.
  void accept(std::unique_ptr<TlsStream> stream);

  // Closes idle connections, lets the others finish their request, ends response streams; new ones are
  // refused. `done` is posted once when none is left. Bound: the time limits above; cut() ends the wait.
  // `in_a_hurry`: peers get their answers, and no time to close their end.
  void drain(Task done, bool in_a_hurry = false);
  // Closes everything at once.
  void cut();

  std::size_t connection_count() const;
  const HttpCounters& counters() const;

 private:
  std::shared_ptr<HttpConnections> connections_;
};

}  // namespace kyanite
