#include "server/device/mqtt_connection.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/username.h"
#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "protocol/mqtt/encoder.h"
#include "protocol/topics/device_topic.h"
#include "server/device/mqtt_shard.h"
#include "server/device/twin_response.h"

namespace kyanite {
namespace {

// Tokens end by the clock on the wall, which may step: it is looked at this often at least.
constexpr milliseconds kExpiryCheck{30'000};
// Connections whose tokens end together are cut spread over this time (spec device-mqtt.md 2.11).
constexpr std::uint64_t kCutJitterMs = 5'000;
constexpr milliseconds kActivityInterval{1'000};

// Spec device-mqtt.md 2.7, 2.8; 4 is never sent.
mqtt::ConnectCode refusal_code(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
    case Errc::device_not_found:
    case Errc::module_not_found:
    case Errc::argument_invalid:
      return mqtt::ConnectCode::not_authorized;
    default:
      return mqtt::ConnectCode::server_unavailable;
  }
}

EndReason end_reason(CloseReason reason) {
  switch (reason) {
    case CloseReason::takeover:
      return EndReason::takeover;
    case CloseReason::identity_disabled:
      return EndReason::identity_disabled;
    case CloseReason::identity_deleted:
      return EndReason::identity_deleted;
    case CloseReason::credential_changed:
      return EndReason::credential_changed;
    case CloseReason::credential_expired:
      return EndReason::credential_expired;
    case CloseReason::shutting_down:
      return EndReason::shutting_down;
  }
  return EndReason::shutting_down;
}

// A session's errors are the peer's breach of the protocol, but for a packet beyond the size limit.
EndReason end_reason(const Error& error) {
  return error.code == Errc::packet_too_large ? EndReason::message_too_large : EndReason::protocol_violation;
}

}  // namespace

MqttConnection::MqttConnection(MqttShard& shard, ConnectionRef self, std::unique_ptr<Channel> channel)
    : shard_(shard), self_(self), channel_(std::move(channel)) {}

MqttConnection::~MqttConnection() {
  executor().cancel(timer_);
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
  last_received_ = executor().now();
  session_.feed(bytes);
  handle_events();
}

void MqttConnection::on_writable() { update_reading(); }

void MqttConnection::on_closed(ChannelEnd how) {
  if (how == ChannelEnd::peer_closed && session_.is_withholding()) {
    session_.on_peer_left();
    handle_events();
  }
  end(EndReason::link_lost, how == ChannelEnd::peer_closed ? "closed by the peer" : "reset");
  shard_.release(self_);
}

// Handles what the session has, then sends all answers at once.
void MqttConnection::handle_events() {
  while (!ended_) {
    Result<std::optional<mqtt::SessionEvent>> event = session_.next();
    if (!event) {
      end(end_reason(event.error()), event.error().detail);
      break;
    }
    if (!*event) break;
    std::visit([this](auto& e) { handle(e); }, **event);
    if (channel_->queued_bytes() + shard_.scratch_.size() > limits::kOutputHardBytes) {
      end(EndReason::slow_consumer, "does not read its answers");
    }
  }
  send_output();
  update_reading();
}

void MqttConnection::send_output() {
  if (!ended_ && !shard_.scratch_.empty()) channel_->write(shard_.scratch_);
  shard_.scratch_.clear();
}

void MqttConnection::update_reading() {
  if (ended_) return;
  const bool connected = session_.state() == mqtt::SessionState::connected;
  const bool pause = session_.is_withholding() || channel_->queued_bytes() > limits::kOutputHighBytes ||
                     (connected && shard_.paused_by_stores_);
  if (pause == reading_paused_) return;
  reading_paused_ = pause;
  if (pause) {
    channel_->pause_reading();
  } else {
    last_received_ = executor().now();  // what came meanwhile was not read: silence begins anew
    channel_->resume_reading();
  }
}

// CONNECT, in the order of checks of spec device-mqtt.md 2.7

void MqttConnection::handle(const mqtt::UnsupportedProtocol&) {
  refuse(mqtt::ConnectCode::bad_protocol_version, Error(Errc::protocol_violation, "not MQTT 3.1.1"));
}

void MqttConnection::handle(mqtt::ConnectReceived& connect) {
  if (connect.client_id.empty()) {
    return refuse(mqtt::ConnectCode::identifier_rejected, Error(Errc::argument_invalid, "empty ClientId"));
  }
  if (const Result<void> read = read_user_name(connect); !read) {
    // What it claims to be goes into the record of the refusal (spec device-mqtt.md 10.1).
    if (origin_.identity.device.empty())
      origin_.identity.device = connect.client_id.substr(0, limits::kIdBytesMax);
    return refuse(mqtt::ConnectCode::not_authorized, read.error());
  }
  if (connect.will && !keep_will(std::move(*connect.will))) {
    if (shard_.services_.settings.mqtt.strict_will) {
      return refuse(mqtt::ConnectCode::not_authorized,
                    Error(Errc::unauthorized, "will topic not the device's own"));
    }
  }
  keep_alive_ =
      mqtt::server_keep_alive(connect.keep_alive_seconds, shard_.services_.settings.mqtt.keep_alive_cap);

  Attach attach;
  attach.connection = self_;
  attach.identity = origin_.identity;
  if (connect.password && !connect.password->empty())
    attach.credentials.sas_token = std::move(*connect.password);
  attach.credentials.certificate_chain = channel_->peer().certificate_chain;
  attach.client_type = client_type_;
  attach.model_id = origin_.model_id;
  // By reference, never by pointer: the connection may be gone when the owner answers.
  attach.reply = Reply<Attachment>(
      executor(), [&shard = shard_, self = self_, identity = origin_.identity](Result<Attachment> verdict) {
        shard.on_attach_reply(self, identity, std::move(verdict));
      });
  channel_->release_certificates();
  shard_.services_.router.send(std::move(attach));
}

Result<void> MqttConnection::read_user_name(const mqtt::ConnectReceived& connect) {
  if (!connect.username) return Error(Errc::unauthorized, "no user name");
  Result<MqttUsername> user = parse_mqtt_username(*connect.username, connect.client_id);
  if (!user) return user.error();
  origin_.identity = std::move(user->identity);
  origin_.model_id = std::move(user->model_id);
  client_type_ = std::move(user->client_type);
  const HubSecurity& security = *shard_.security_;
  if (security.rules.strict_host && !is_accepted_host(user->host, security.host_names)) {
    return Error(Errc::unauthorized, "host " + user->host + " is not one of the hub's names");
  }
  return {};
}

// A will for a topic that is not the device's own is accepted and never fires (spec device-mqtt.md 2.9).
bool MqttConnection::keep_will(mqtt::WillMessage will) {
  will_ = std::make_unique<mqtt::WillMessage>(std::move(will));
  const Result<DeviceTopic> topic = parse_device_topic(will_->topic, origin_.identity);
  if (topic && std::holds_alternative<TelemetryTopic>(*topic))
    will_bag_ = std::get<TelemetryTopic>(*topic).bag;
  return will_bag_.has_value();
}

void MqttConnection::refuse(mqtt::ConnectCode code, const Error& error) {
  session_.refuse(shard_.scratch_, code);
  ++shard_.statistics_.refused[static_cast<std::size_t>(code)];
  shard_.observer_.on_refused(facts(), error);
  send_output();
  end(EndReason::refused);
}

void MqttConnection::on_attach_reply(Result<Attachment> verdict) {
  if (!verdict) {
    refuse(refusal_code(verdict.error()), verdict.error());
    return;
  }
  attached_ = true;
  epoch_ = verdict->epoch;
  scope_ = verdict->scope;
  kind_ = verdict->kind;
  origin_ = shard_.ingest_.make_origin(origin_.identity, *verdict, std::move(origin_.model_id));
  cut_at_ = cut_time(verdict->credential_expiry);
  started_ = last_received_ = last_active_ = executor().now();
  ++shard_.statistics_.accepted;
  ++shard_.statistics_.connected;
  shard_.observer_.on_connected(facts());
  // Told only now: a peer that proved nothing has no say in what is logged.
  if (will_ && !will_bag_) {
    shard_.observer_.on_will_unusable(facts(), will_->topic);
    will_.reset();
  }
  // Nothing outlives a connection yet, so there is never a session to be present (spec device-mqtt.md 2.12
  // asks for durable ones; subscriptions have to be made again after a reconnect).
  session_.accept(shard_.scratch_, false);
  executor().cancel(timer_);
  arm_timer();
  handle_events();
}

// PUBLISH

void MqttConnection::handle(const mqtt::PublishReceived& publish) {
  const Result<DeviceTopic> topic = parse_device_topic(publish.topic, origin_.identity);
  if (!topic) return end(EndReason::protocol_violation, "topic not allowed");
  note_activity();
  if (const auto* telemetry = std::get_if<TelemetryTopic>(&*topic))
    return publish_telemetry(telemetry->bag, publish);
  // Requests are not stored: QoS 1 is acknowledged at once, in its place among the telemetry.
  if (publish.ack.value != 0) session_.acknowledge(shard_.scratch_, publish.ack);
  if (const auto* get = std::get_if<TwinGetTopic>(&*topic)) return answer_twin_request(get->request_id);
  if (const auto* patch = std::get_if<TwinPatchReportedTopic>(&*topic))
    return answer_twin_request(patch->request_id);
  // A method response: the hub invokes no methods yet, so it answers nothing that was asked.
}

void MqttConnection::publish_telemetry(std::string_view bag, const mqtt::PublishReceived& publish) {
  const TelemetryMessage message{bag, publish.payload, publish.retain, publish.dup, false};
  const bool wants_ack = publish.ack.value != 0;
  const Result<void> taken = shard_.ingest_.append(origin_, message, {self_, publish.ack.value}, wants_ack);
  if (!taken) {
    shard_.observer_.on_telemetry_refused(facts(), taken.error(), publish.payload.size());
    return end(EndReason::message_too_large, "telemetry message too large");
  }
  ++shard_.statistics_.telemetry_messages;
  shard_.statistics_.telemetry_bytes += publish.payload.size();
}

// Reading and patching twins over MQTT is not offered yet. A device that listens for responses is told so in
// the service's own form instead of waiting for its timeout (spec device-mqtt.md 6.4).
void MqttConnection::answer_twin_request(std::string_view request_id) {
  if (request_id.empty() || !subscriptions_.has(FilterKind::twin_responses)) return;
  constexpr int kNotImplemented = 501;
  mqtt::append_publish(
      shard_.scratch_, twin_response_topic(kNotImplemented, request_id),
      twin_error_body(Errc::not_implemented, "Twins over MQTT are not offered yet", executor().wall_now()),
      mqtt::QoS::at_most_once, false, PacketId{});
}

void MqttConnection::on_committed(mqtt::AckSequence sequence) {
  if (ended_) return;
  const bool was_withholding = session_.is_withholding();
  session_.acknowledge(shard_.scratch_, sequence);
  ++shard_.statistics_.telemetry_acknowledged;
  if (was_withholding) return handle_events();  // packets may have waited for room in the window
  send_output();
  if (channel_->queued_bytes() > limits::kOutputHighBytes) update_reading();
}

// Drives lastActivityTime; once a second is precise enough for it.
void MqttConnection::note_activity() {
  if (last_received_ - last_active_ < kActivityInterval) return;
  last_active_ = last_received_;
  shard_.services_.router.send(Active{origin_.identity, epoch_, executor().wall_now()});
}

// The other packets

void MqttConnection::handle(const mqtt::PubackReceived&) {
  // Nothing is sent with QoS 1 yet; an acknowledgement of nothing harms nobody.
}

void MqttConnection::handle(const mqtt::SubscribeReceived& subscribe) {
  const Settings::Mqtt& settings = shard_.services_.settings.mqtt;
  const Result<std::vector<std::uint8_t>> granted =
      subscriptions_.add(subscribe.requests, origin_.identity, settings.max_subscriptions);
  if (granted) return mqtt::append_suback(shard_.scratch_, subscribe.packet_id, *granted);
  if (settings.invalid_subscription == InvalidSubscription::close) {
    return end(EndReason::protocol_violation, granted.error().detail);
  }
  const std::vector<std::uint8_t> failures(subscribe.requests.size(), mqtt::kSubackFailure);
  mqtt::append_suback(shard_.scratch_, subscribe.packet_id, failures);
}

void MqttConnection::handle(const mqtt::UnsubscribeReceived& unsubscribe) {
  for (const std::string_view filter : unsubscribe.filters) subscriptions_.remove(filter);
  mqtt::append_unsuback(shard_.scratch_, unsubscribe.packet_id);
}

void MqttConnection::handle(const mqtt::PingReceived&) { mqtt::append_pingresp(shard_.scratch_); }

void MqttConnection::handle(const mqtt::DisconnectReceived&) {
  send_output();
  end(EndReason::device_disconnected);
}

void MqttConnection::on_message(const ConnectionMessage& message) {
  end(end_reason(std::get<CloseConnection>(message).reason));
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
  }
  will_.reset();
  // A refusal must reach the client, and so must acknowledgements before an orderly end. Any other end sends
  // no further packet.
  channel_->close(reason == EndReason::refused || reason == EndReason::device_disconnected);
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
}

// Time

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

ConnectionFacts MqttConnection::facts() const {
  const PeerInfo& peer = channel_->peer();
  return {self_,        origin_.identity, client_type_, origin_.model_id,
          peer.address, peer.tls_version, scope_,       kind_};
}

}  // namespace kyanite
