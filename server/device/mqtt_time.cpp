#include <algorithm>

#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "server/device/mqtt_connection.h"
#include "server/device/mqtt_shard.h"

// The times after which a connection ends by itself: no CONNECT, silence, an expired credential.
namespace kyanite {
namespace {

// Tokens end by the clock on the wall, which may step: it is looked at this often at least.
constexpr milliseconds kExpiryCheck{30'000};
// Connections whose tokens end together are cut spread over this time (spec device-mqtt.md 2.11).
constexpr std::uint64_t kCutJitterMs = 5'000;

}  // namespace

std::optional<WallTime> MqttConnection::cut_time(std::optional<WallTime> credential_expiry) const {
  if (!credential_expiry) return std::nullopt;
  const seconds grace = shard_.security_->rules.sas_grace;
  milliseconds late = grace;
  if (grace > seconds(0)) late += milliseconds(stable_hash(origin_.identity.device) % kCutJitterMs);
  if (*credential_expiry > WallTime::max() - late) return std::nullopt;  // the end of time
  return *credential_expiry + late;
}

// One timer for connect timeout, keep-alive and expiry. Packets do not touch it: it is armed for the earliest
// moment at which anything can be due, and looks again then.
void MqttConnection::arm_timer() {
  const bool awaits_connect = session_.state() != mqtt::SessionState::connected;
  const SteadyTime due = awaits_connect ? started_ + shard_.services_.settings.mqtt.connect_timeout
                                        : last_received_ + keep_alive_;
  milliseconds wait = std::chrono::ceil<milliseconds>(due - executor().now());
  if (cut_at_) wait = std::min({wait, kExpiryCheck, *cut_at_ - executor().wall_now()});
  timer_ = executor().after(std::max(wait, milliseconds(1)), [&shard = shard_, self = self_] {
    if (MqttConnection* connection = shard.table_.find(self)) connection->on_timer();
  });
}

void MqttConnection::on_timer() {
  timer_ = {};
  if (ended_) return;
  const SteadyTime now = executor().now();
  if (session_.state() == mqtt::SessionState::awaiting_connect) {
    if (now - started_ >= shard_.services_.settings.mqtt.connect_timeout)
      return end(EndReason::connect_timeout);
  } else if (session_.state() == mqtt::SessionState::connecting) {
    started_ = now;  // CONNECT came in time; the verdict on it always comes
  } else {
    if (cut_at_ && executor().wall_now() >= *cut_at_) return end(EndReason::credential_expired);
    // Silence is the device's only while we listen, or while it does not take what we send.
    const bool we_do_not_listen = reading_paused_ && channel_->queued_bytes() <= limits::kOutputHighBytes;
    if (we_do_not_listen) last_received_ = now;
    if (now - last_received_ >= keep_alive_) return end(EndReason::keep_alive_timeout);
  }
  arm_timer();
}

void MqttConnection::on_clock_shift() {
  if (!cut_at_) return;
  executor().cancel(timer_);
  on_timer();
}

}  // namespace kyanite
