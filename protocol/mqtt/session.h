#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/base/limits.h"
#include "protocol/base/result.h"
#include "protocol/mqtt/ack_window.h"
#include "protocol/mqtt/decoder.h"
#include "protocol/mqtt/packets.h"

namespace kyanite::mqtt {

struct MqttSessionLimits {
  std::size_t connect_bytes_max = limits::kConnectBytesMax;  // remaining length of the first packet
  std::size_t packet_bytes_max = limits::kPacketBytesMax;    // remaining length of one packet
  // Bytes that may wait while the verdict on CONNECT is pending or the window is full.
  std::size_t waiting_bytes_max = limits::kPacketBytesMax;
  // While so many QoS 1 publishes, or so many bytes of them, await their PUBACK, next() gives nothing more.
  std::size_t unacked_publishes_max = limits::kUnackedPublishesMax;
  std::size_t unacked_bytes_max = limits::kUnackedBytesMax;
};

// The client's will, owned: it may fire long after CONNECT.
struct WillMessage {
  std::string topic;
  std::string payload;
  QoS qos = QoS::at_most_once;
  bool retain = false;
};

// Owns its strings, since the verdict comes later. An empty client_id is for the caller to refuse with
// ConnectCode::identifier_rejected (spec device-mqtt.md 2.8).
struct ConnectReceived {
  std::string client_id;
  std::optional<std::string> username;
  std::optional<std::string> password;
  bool clean_session = false;
  std::uint16_t keep_alive_seconds = 0;
  std::optional<WillMessage> will;
};

// Another protocol level or name; the caller answers refuse(out, ConnectCode::bad_protocol_version).
struct UnsupportedProtocol {};

// QoS 0 or 1. A QoS 1 publish must be acknowledged by its sequence once it is durable.
struct PublishReceived {
  std::string_view topic;
  std::string_view payload;
  QoS qos = QoS::at_most_once;
  bool dup = false;
  bool retain = false;
  AckSequence ack{};  // 0 with QoS 0
};

struct PubackReceived {
  PacketId packet_id{};
};

// Answered with append_suback (encoder.h): one code per request, in their order.
struct SubscribeReceived {
  PacketId packet_id{};
  std::vector<TopicRequest> requests;  // never empty
};

// Answered with append_unsuback, always (spec device-mqtt.md 8.4).
struct UnsubscribeReceived {
  PacketId packet_id{};
  std::vector<std::string_view> filters;  // never empty
};

// Answered with append_pingresp at once (spec device-mqtt.md 2.10).
struct PingReceived {};

// The orderly end: the will is discarded and nothing follows.
struct DisconnectReceived {};

using SessionEvent = std::variant<ConnectReceived, UnsupportedProtocol, PublishReceived, PubackReceived,
                                  SubscribeReceived, UnsubscribeReceived, PingReceived, DisconnectReceived>;

enum class SessionState {
  awaiting_connect,
  connecting,  // CONNECT was given to the caller, who owes accept() or refuse()
  connected,
  closed,  // refused, DISCONNECT received, or failed; further bytes are ignored
};

// MqttSession is the server side of one MQTT 3.1.1 network connection without any input or output: bytes in,
// events out, answers appended to the caller's buffer (spec device-mqtt.md 2.1, 4.4, 4.8, 8.7).
//
// Owner: a MqttConnection. Bound: one incomplete packet, the bytes that wait (limits), the window of
// unacknowledged publishes. An idle session keeps no buffer.
class MqttSession {
 public:
  explicit MqttSession(MqttSessionLimits limits = {});

  // Gives bytes as read. Call next() until it gives nothing before they go away; what next() withholds (see
  // is_withholding) or cannot complete is copied.
  void feed(std::string_view bytes);

  // The caller will ask for what is at hand later: copies it. Does nothing when nothing is at hand.
  // Errors: busy (more bytes waiting than the limit); the session is closed then as by next().
  Result<void> hold();

  // The next event; nothing when more bytes are needed, or when events are withheld. Views in an event are
  // valid until the following call of next() or feed().
  //
  // Errors close the session for good; the caller closes the connection without a packet, and the will fires:
  // malformed_packet, packet_too_large, protocol_violation (first packet not CONNECT, a second CONNECT, QoS
  // 2, a packet only servers send), busy (more bytes waiting than the limit).
  Result<std::optional<SessionEvent>> next();

  // Answers CONNECT; only in state connecting. After accept() call next() again: packets that followed
  // CONNECT closely have waited for it.
  void accept(std::string& out, bool session_present);
  // Answers CONNECT (or UnsupportedProtocol) with a refusal and closes the session.
  void refuse(std::string& out, ConnectCode code);

  // The publish is durable: its PUBACK is appended once those of all earlier publishes are (they leave in
  // publish order). Does nothing when the session is closed. When this ends is_withholding(), call next()
  // again.
  void acknowledge(std::string& out, AckSequence sequence);

  // The same for a PUBACK that a test wants lost: it never leaves.
  void lose_acknowledgement(std::string& out, AckSequence sequence);

  // True while next() gives nothing although packets may be at hand: CONNECT has no verdict yet, or too much
  // is unacknowledged. The caller stops reading from the peer.
  bool is_withholding() const;

  // The peer ended the stream in an orderly way: what it sent before is still handled, a DISCONNECT above
  // all, although nothing will be acknowledged any more. Call next() again.
  void on_peer_left() { peer_left_ = true; }
  bool has_peer_left() const { return peer_left_; }

  SessionState state() const { return state_; }
  std::size_t unacked_publishes() const { return window_.size(); }
  std::size_t unacked_bytes() const { return window_.bytes(); }
  std::size_t buffered_bytes() const { return decoder_.buffered_bytes(); }

 private:
  Error fail(Error error);
  void close();
  Result<std::optional<SessionEvent>> on_first_packet(Packet packet);
  Result<std::optional<SessionEvent>> on_packet(Packet packet);
  Result<std::optional<SessionEvent>> on_publish(const Publish& publish);

  MqttSessionLimits limits_;
  SessionState state_ = SessionState::awaiting_connect;
  bool peer_left_ = false;
  Decoder decoder_;
  AckWindow window_;
  std::optional<Error> failed_;
};

// How long the server waits for any packet of the client: 1.5 times its keep-alive, at most the cap; the cap
// when the client gave 0 (spec device-mqtt.md 2.10).
milliseconds server_keep_alive(std::uint16_t keep_alive_seconds, seconds cap = limits::kKeepAliveCap);

}  // namespace kyanite::mqtt
