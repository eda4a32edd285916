#include "protocol/mqtt/session.h"

#include <algorithm>
#include <utility>

#include "protocol/mqtt/encoder.h"

namespace kyanite::mqtt {
namespace {

constexpr std::uint8_t kConnectFirstByte = 0x10;

using Outcome = Result<std::optional<SessionEvent>>;

Outcome nothing() { return std::optional<SessionEvent>(); }

template <class Event>
Outcome event(Event value) {
  return std::optional<SessionEvent>(std::in_place, std::move(value));
}

std::optional<std::string> owned(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

ConnectReceived own_connect(const Connect& connect) {
  ConnectReceived owned_connect;
  owned_connect.client_id = connect.client_id;
  owned_connect.username = owned(connect.username);
  owned_connect.password = owned(connect.password);
  owned_connect.clean_session = connect.clean_session;
  owned_connect.keep_alive_seconds = connect.keep_alive_seconds;
  if (connect.will) {
    owned_connect.will = WillMessage{std::string(connect.will->topic), std::string(connect.will->payload),
                                     connect.will->qos, connect.will->retain};
  }
  return owned_connect;
}

}  // namespace

MqttSession::MqttSession(MqttSessionLimits limits) : limits_(limits), decoder_(limits.connect_bytes_max) {}

void MqttSession::feed(std::string_view bytes) {
  if (state_ != SessionState::closed) decoder_.feed(bytes);
}

Result<void> MqttSession::hold() {
  if (failed_) return *failed_;
  if (state_ == SessionState::closed) return {};
  if (decoder_.pending_bytes() > limits_.waiting_bytes_max) {
    return fail(Error(Errc::busy, "more bytes than may wait for the hub's answer"));
  }
  decoder_.hold();
  return {};
}

Result<std::optional<SessionEvent>> MqttSession::next() {
  if (failed_) return *failed_;
  if (state_ == SessionState::closed) return nothing();
  if (is_withholding()) {
    if (const Result<void> held = hold(); !held) return held.error();
    return nothing();
  }
  if (state_ == SessionState::awaiting_connect) {
    // Judged by the first byte, so that nobody makes the hub collect a large packet of another type.
    const auto first = decoder_.peek();
    if (first && *first != kConnectFirstByte) {
      return fail(Error(Errc::protocol_violation, "the first packet is not CONNECT"));
    }
  }
  Result<std::optional<Packet>> packet = decoder_.next();
  if (!packet) return fail(packet.error());
  if (!*packet) return nothing();
  if (state_ == SessionState::awaiting_connect) return on_first_packet(std::move(**packet));
  return on_packet(std::move(**packet));
}

void MqttSession::accept(std::string& out, bool session_present) {
  KYANITE_ASSERT(state_ == SessionState::connecting);
  state_ = SessionState::connected;
  append_connack(out, session_present, ConnectCode::accepted);
}

void MqttSession::refuse(std::string& out, ConnectCode code) {
  KYANITE_ASSERT(state_ == SessionState::connecting && code != ConnectCode::accepted);
  append_connack(out, false, code);
  close();
}

void MqttSession::acknowledge(std::string& out, AckSequence sequence) {
  if (state_ != SessionState::closed) window_.acknowledge(out, sequence);
}

void MqttSession::lose_acknowledgement(std::string& out, AckSequence sequence) {
  if (state_ != SessionState::closed) window_.lose(out, sequence);
}

bool MqttSession::is_withholding() const {
  if (state_ == SessionState::connected) {
    return !peer_left_ &&
           (window_.size() >= limits_.unacked_publishes_max || window_.bytes() >= limits_.unacked_bytes_max);
  }
  return state_ == SessionState::connecting;
}

Error MqttSession::fail(Error error) {
  close();
  failed_ = std::move(error);
  return *failed_;
}

void MqttSession::close() {
  state_ = SessionState::closed;
  decoder_ = Decoder(limits_.packet_bytes_max);
  window_ = AckWindow();
}

Result<std::optional<SessionEvent>> MqttSession::on_first_packet(Packet packet) {
  state_ = SessionState::connecting;
  decoder_.set_remaining_length_max(limits_.packet_bytes_max);
  if (const auto* connect = std::get_if<Connect>(&packet)) return event(own_connect(*connect));
  return event(UnsupportedProtocol{});
}

Result<std::optional<SessionEvent>> MqttSession::on_packet(Packet packet) {
  if (const auto* publish = std::get_if<Publish>(&packet)) return on_publish(*publish);
  if (const auto* puback = std::get_if<Puback>(&packet)) return event(PubackReceived{puback->packet_id});
  if (std::holds_alternative<Pingreq>(packet)) return event(PingReceived{});
  if (auto* subscribe = std::get_if<Subscribe>(&packet)) {
    return event(SubscribeReceived{subscribe->packet_id, std::move(subscribe->requests)});
  }
  if (auto* unsubscribe = std::get_if<Unsubscribe>(&packet)) {
    return event(UnsubscribeReceived{unsubscribe->packet_id, std::move(unsubscribe->filters)});
  }
  if (std::holds_alternative<Disconnect>(packet)) {
    close();
    return event(DisconnectReceived{});
  }
  return fail(Error(Errc::protocol_violation, "a second CONNECT"));
}

Result<std::optional<SessionEvent>> MqttSession::on_publish(const Publish& publish) {
  if (publish.qos == QoS::exactly_once) return fail(Error(Errc::protocol_violation, "PUBLISH with QoS 2"));
  PublishReceived received{publish.topic, publish.payload, publish.qos, publish.dup, publish.retain, {}};
  if (publish.qos == QoS::at_least_once) {
    const auto bytes = static_cast<std::uint32_t>(publish.topic.size() + publish.payload.size());
    received.ack = window_.add(publish.packet_id, bytes);
  }
  return event(received);
}

milliseconds server_keep_alive(std::uint16_t keep_alive_seconds, seconds cap) {
  if (keep_alive_seconds == 0) return cap;
  return std::min<milliseconds>(milliseconds{1500} * keep_alive_seconds, cap);
}

}  // namespace kyanite::mqtt
