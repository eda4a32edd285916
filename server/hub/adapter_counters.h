#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"

namespace kyanite {

// What the adapters of a shard, or of all shards, count: present numbers, and totals since the start.
struct AdapterCounts {
  std::uint64_t mqtt_connections = 0;  // accepted and not ended
  std::uint64_t mqtt_refused = 0;
  std::uint64_t mqtt_telemetry = 0;  // messages
  std::uint64_t amqp_connections = 0;
  std::uint64_t amqp_links = 0;
  std::uint64_t amqp_devices = 0;
  std::uint64_t amqp_refused = 0;  // tokens, passwords and links
  std::uint64_t amqp_telemetry = 0;
  std::uint64_t amqp_c2d_sent = 0;     // by back ends
  std::uint64_t amqp_events_sent = 0;  // to readers
  std::uint64_t https_connections = 0;
  std::uint64_t https_requests = 0;
  std::uint64_t https_refused = 0;  // answered with a status of 400 to 499
  std::uint64_t https_failed = 0;   // 500 and more

  void add(const AdapterCounts& other);
};

// AdapterCounters asks every shard for its counts.
//
// Owner: the application; shards are given to it before they start. Threads: any. Reply: home, after all
// shards have answered.
class AdapterCounters {
 public:
  void provide(Executor& shard, std::function<AdapterCounts()> counts);
  void sum(Reply<AdapterCounts> reply) const;

 private:
  std::vector<std::pair<Executor*, std::function<AdapterCounts()>>> shards_;
};

}  // namespace kyanite
