#include "server/device/mqtt_connection.h"
#include "server/device/mqtt_shard.h"

// What the service's rate limits and daily quota do to a connection (spec device-mqtt.md 9.4).
namespace kyanite {

// Judged before the credential: the rate is there to keep the hub from work.
Result<void> MqttConnection::admit_connect() {
  Throttles& throttles = shard_.services_.throttles;
  if (!throttles.is_on()) return {};
  if (Result<void> quota = throttles.check_quota(executor().wall_now()); !quota) return quota;
  return throttles.take(ThrottleClass::connections, executor().now());
}

Result<void> MqttConnection::admit_twin_request(ThrottleClass of, std::size_t bytes) {
  return shard_.services_.throttles.admit(of, bytes, executor().now(), executor().wall_now());
}

// A message over the rate is taken, and what follows it on this connection waits until the hub has made up
// for it: the packets at hand are held and the socket is not read, so that QoS 0 and QoS 1 are shaped alike.
bool MqttConnection::admit_telemetry(std::size_t bytes) {
  Throttles& throttles = shard_.services_.throttles;
  if (!throttles.is_on()) return true;
  const WallTime wall = executor().wall_now();
  if (const Result<void> quota = throttles.check_quota(wall); !quota) {
    shard_.observer_.on_telemetry_refused(facts(), quota.error(), bytes);
    end(EndReason::quota_exceeded, "403002 " + quota.error().detail);
    return false;
  }
  const Result<milliseconds> wait = throttles.reserve(ThrottleClass::d2c_sends, executor().now());
  if (!wait) {
    shard_.observer_.on_telemetry_refused(facts(), wait.error(), bytes);
    end(EndReason::throttled, "429001 " + wait.error().detail);
    return false;
  }
  throttles.meter(bytes, wall);
  if (*wait > milliseconds(0) && !shaping_timer_) {
    shaping_timer_ = executor().after(*wait, [&shard = shard_, self = self_] {
      if (MqttConnection* connection = shard.table_.find(self)) connection->on_turn_to_send();
    });
  }
  return true;
}

void MqttConnection::on_turn_to_send() {
  shaping_timer_ = {};
  if (!ended_ && held_) handle_events();
}

}  // namespace kyanite
