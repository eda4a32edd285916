#include "server/hub/adapter_counters.h"

#include <memory>

namespace kyanite {

void AdapterCounts::add(const AdapterCounts& other) {
  mqtt_connections += other.mqtt_connections;
  mqtt_refused += other.mqtt_refused;
  mqtt_telemetry += other.mqtt_telemetry;
  amqp_connections += other.amqp_connections;
  amqp_links += other.amqp_links;
  amqp_devices += other.amqp_devices;
  amqp_refused += other.amqp_refused;
  amqp_telemetry += other.amqp_telemetry;
  amqp_c2d_sent += other.amqp_c2d_sent;
  amqp_events_sent += other.amqp_events_sent;
  https_connections += other.https_connections;
  https_requests += other.https_requests;
  https_refused += other.https_refused;
  https_failed += other.https_failed;
}

void AdapterCounters::provide(Executor& shard, std::function<AdapterCounts()> counts) {
  shards_.emplace_back(&shard, std::move(counts));
}

void AdapterCounters::sum(Reply<AdapterCounts> reply) const {
  // Touched on the asker's executor alone.
  struct Gathering {
    AdapterCounts all;
    std::size_t missing = 0;
    Reply<AdapterCounts> reply;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->missing = shards_.size();
  Executor& home = reply.home();
  gathering->reply = std::move(reply);
  if (shards_.empty()) return gathering->reply(gathering->all);
  for (const auto& [shard, counts] : shards_) {
    Reply<AdapterCounts> answer(home, [gathering](const Result<AdapterCounts>& got) {
      if (got) gathering->all.add(*got);
      if (--gathering->missing == 0) gathering->reply(gathering->all);
    });
    shard->post([&of = counts, answer = std::move(answer)]() mutable { answer(of()); });
  }
}

}  // namespace kyanite
