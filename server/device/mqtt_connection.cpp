#include "server/device/mqtt_connection.h"

#include <utility>

#include "protocol/base/limits.h"
#include "server/device/connection_faults.h"
#include "server/device/mqtt_shard.h"

// Reading, output, and the end.
namespace kyanite {
namespace {

// A session's errors are the peer's breach of the protocol, but for a packet beyond the size limit.
EndReason end_reason(const Error& error) {
  return error.code == Errc::packet_too_large ? EndReason::message_too_large : EndReason::protocol_violation;
}

}  // namespace

MqttConnection::MqttConnection(MqttShard& shard, ConnectionRef self, std::unique_ptr<Channel> channel)
    : shard_(shard), self_(self), channel_(std::move(channel)) {}

MqttConnection::~MqttConnection() {
  executor().cancel(timer_);
  executor().cancel(shaping_timer_);
  channel_->detach();
}

Executor& MqttConnection::executor() const { return shard_.services_.executor; }

void MqttConnection::start() {
  started_ = last_received_ = executor().now();
  arm_timer();
  channel_->start(*this);
}

void MqttConnection::on_bytes(std::string_view bytes) {
  if (ended_) return;
  heard_ = true;
  last_received_ = executor().now();
  const std::string_view taken = shard_.faults_ ? cut_input(bytes) : bytes;
  session_.feed(taken);
  handle_events();
  if (taken.size() < bytes.size() ||
      (faults_ && faults_->from_device.fault && faults_->from_device.bytes_left == 0))
    end(EndReason::fault, "cut");
}

void MqttConnection::on_writable() {
  if (ended_) return;
  if (traffic_) {
    settle_drained();
    send_answers();
  }
  after_answer();
}

void MqttConnection::on_closed(ChannelEnd how) {
  if (how == ChannelEnd::peer_closed && held_) {
    session_.on_peer_left();
    handle_events();
  }
  if (how == ChannelEnd::violated) {
    end(EndReason::protocol_violation, "no MQTT in binary WebSocket messages");
  } else {
    end(EndReason::link_lost, how == ChannelEnd::peer_closed ? "closed by the peer" : "reset");
  }
  shard_.release(self_);
}

// Handles what the session has, then sends all answers at once. Stops where the peer should read, or wait for
// its owner, first; whatever ends that comes back here.
void MqttConnection::handle_events() {
  held_ = false;
  while (!ended_) {
    if (must_hold()) {
      held_ = true;
      if (const Result<void> held = session_.hold(); !held)
        end(end_reason(held.error()), held.error().detail);
      break;
    }
    Result<std::optional<mqtt::SessionEvent>> event = session_.next();
    if (!event) {
      end(end_reason(event.error()), event.error().detail);
      break;
    }
    if (!*event) {
      held_ = session_.is_withholding();
      break;
    }
    std::visit([this](auto& e) { handle(e); }, **event);
  }
  send_output();
  update_reading();
}

bool MqttConnection::must_hold() const {
  if (session_.has_peer_left()) return false;  // nothing will be answered, and nothing more will come
  if (shaping_timer_ || queued_bytes() > limits::kOutputHighBytes) return true;
  return subscribing_ + (traffic_ ? traffic_->answers.size() : 0) >= limits::kDeviceRequestsMax;
}

std::size_t MqttConnection::queued_bytes() const { return channel_->queued_bytes() + shard_.scratch_.size(); }

void MqttConnection::send_output() {
  if (shard_.faults_ && !ended_ && !shard_.scratch_.empty() && cut_output()) return;
  if (!ended_ && !shard_.scratch_.empty()) channel_->write(shard_.scratch_);
  shard_.scratch_.clear();
}

void MqttConnection::after_answer() {
  if (held_) return handle_events();
  send_output();
  update_reading();
}

void MqttConnection::update_reading() {
  if (ended_) return;
  const bool connected = session_.state() == mqtt::SessionState::connected;
  const bool pause =
      held_ || channel_->queued_bytes() > limits::kOutputHighBytes || (connected && shard_.paused_by_stores_);
  if (pause == reading_paused_) return;
  reading_paused_ = pause;
  if (pause) {
    channel_->pause_reading();
  } else {
    last_received_ = executor().now();  // what came meanwhile was not read: silence begins anew
    channel_->resume_reading();
  }
}

// The end

void MqttConnection::end(EndReason reason, std::string_view detail) {
  if (ended_) return;
  ended_ = true;
  ++shard_.statistics_.ends[static_cast<std::size_t>(reason)];
  if (attached_) {
    --shard_.statistics_.connected;
    if (fires_will(reason)) fire_will();
    // A successor waits for Detached: what this connection published is in the log's queue before it, will
    // last.
    shard_.ingest_.flush();
    shard_.services_.router.send(Detached{self_, origin_.identity, epoch_});
    shard_.observer_.on_disconnected(facts(), reason, detail,
                                     std::chrono::duration_cast<milliseconds>(executor().now() - started_));
  } else if (reason == EndReason::protocol_violation || reason == EndReason::connect_timeout ||
             reason == EndReason::message_too_large) {
    // No CONNECT was judged; a newcomer whose client speaks something else finds the reason in the log.
    shard_.observer_.on_refused(
        facts(), Error(Errc::protocol_violation, std::string(detail.empty() ? to_string(reason) : detail)));
  } else if (const PeerInfo& peer = channel_->peer(); reason == EndReason::link_lost && !heard_ &&
                                                      peer.transport == PeerTransport::tcp &&
                                                      !peer.tls_version.empty()) {
    shard_.observer_.on_left_silently(peer.address, peer.tls_version, DeviceProtocol::mqtt);
  }
  will_.reset();
  // A refusal must reach the client, and so must acknowledgements before an orderly end. Any other end sends
  // no further packet.
  channel_->close(reason == EndReason::refused || reason == EndReason::device_disconnected ||
                  (faults_ && faults_->flush_at_end));
}

bool MqttConnection::fires_will(EndReason reason) const {
  // A stop of the hub is no failure of the device: see MqttShard::drain.
  return will_ && reason != EndReason::device_disconnected && reason != EndReason::shutting_down;
}

void MqttConnection::fire_will() {
  const TelemetryMessage message{*will_bag_, will_->payload, will_->retain, false, true};
  if (const Result<void> taken = shard_.ingest_.append(origin_, message, {}, false); !taken) {
    shard_.observer_.on_telemetry_refused(facts(), taken.error(), will_->payload.size());
    return;
  }
  ++shard_.statistics_.wills;
  shard_.services_.throttles.meter(will_->payload.size(), executor().wall_now());
}

ConnectionFacts MqttConnection::facts() const {
  const PeerInfo& peer = channel_->peer();
  return {self_,          origin_.identity, client_type_, origin_.model_id, peer.address, peer.tls_version,
          peer.transport, scope_,           kind_};
}

ConnectionFacts MqttConnection::facts_of_connect() const {
  ConnectionFacts all = facts();
  all.connect_took = std::chrono::duration_cast<milliseconds>(executor().now() - started_);
  return all;
}

}  // namespace kyanite
