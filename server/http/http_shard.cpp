#include "server/http/http_shard.h"

#include <utility>
#include <vector>

#include "server/http/http_connection.h"

namespace kyanite {
namespace {

// Copied, since a connection may leave the set while it is told.
std::vector<std::shared_ptr<HttpConnection>> all_of(const HttpConnections& connections) {
  std::vector<std::shared_ptr<HttpConnection>> all;
  all.reserve(connections.members.size());
  for (HttpConnection* member : connections.members) {
    if (auto connection = member->weak_from_this().lock()) all.push_back(std::move(connection));
  }
  return all;
}

}  // namespace

HttpShard::HttpShard(Shard& shard, HttpRequestHandler& handler, HttpLimits limits)
    : connections_(std::make_shared<HttpConnections>(
          HttpConnections{shard, handler, limits, {}, {}, {}, {}, {}, {}})) {}

HttpShard::~HttpShard() {
  connections_->on_empty = {};
  cut();
}

void HttpShard::offer_websocket(WebSocketOffer offer) { connections_->websocket = std::move(offer); }

void HttpShard::accept(std::unique_ptr<TlsStream> stream) {
  if (connections_->draining) return;
  if (connections_->members.size() >= connections_->limits.connections_max) {
    ++connections_->counters.refused_full;
    return;
  }
  ++connections_->counters.accepted;
  start_http_connection(connections_, std::move(stream));
}

void HttpShard::drain(Task done, bool in_a_hurry) {
  connections_->draining = true;
  connections_->in_a_hurry = in_a_hurry;
  connections_->on_empty = std::move(done);
  for (const auto& connection : all_of(*connections_)) connection->drain();
  connections_->check_empty();
}

void HttpShard::cut() {
  connections_->draining = true;
  for (const auto& connection : all_of(*connections_)) connection->cut();
}

std::size_t HttpShard::connection_count() const { return connections_->members.size(); }

const HttpCounters& HttpShard::counters() const { return connections_->counters; }

void HttpConnections::check_empty() {
  if (members.empty() && on_empty) shard.post(std::exchange(on_empty, {}));
}

}  // namespace kyanite
