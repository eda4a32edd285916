#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/load/amqp_side.h"
#include "bench/load/event_loop.h"
#include "bench/load/fleet.h"
#include "bench/load/tls_client.h"
#include "bench/load/websocket_frames.h"

namespace kyanite::load {

class Link;

// A PUBLISH of QoS 1; the view is valid during the call only.
struct ReceivedMessage {
  std::uint16_t packet_id = 0;
  bool is_repetition = false;  // DUP
  std::string_view body;
};

// What a scenario hears of its links. A link may be opened again from on_closed.
class LinkObserver {
 public:
  virtual void on_ready(Link& link) = 0;  // CONNACK accepted
  virtual void on_puback(Link& link, std::uint16_t packet_id) = 0;
  virtual void on_suback(Link&) {}
  // Over AMQP: there is credit again.
  virtual void on_room(Link&) {}
  // At QoS 0; the views are valid during the call only.
  virtual void on_publish(Link&, std::string_view /*topic*/, std::string_view /*body*/) {}
  virtual void on_message(Link&, const ReceivedMessage&) {}
  // Not after close(). link.was_ready() tells whether it had been open.
  virtual void on_closed(Link& link, std::string_view reason) = 0;

 protected:
  ~LinkObserver() = default;
};

// What all links of a worker share.
struct LinkContext {
  EventLoop& loop;
  const TlsClient& tls;
  const Target& target;
  LinkObserver& observer;
  std::uint16_t keep_alive_seconds;
  bool resume;     // offer the device's newest TLS session
  bool websocket;  // MQTT over WebSocket on the HTTPS address
  bool clean_session = true;
  std::uint32_t amqp_batch = 0;  // 0: MQTT; else AMQP, so many messages a transfer
};

// Link is one device's connection: TCP, TLS, maybe WebSocket, CONNECT, and then packets both ways; or AMQP,
// which only sends telemetry.
//
// Owner: a scenario, on its worker's thread. Bound: the output grows with what the scenario queues (its
// window); an incomplete packet of the server keeps at most 64 KiB.
class Link final : public Pollable {
 public:
  Link(LinkContext& context, Device& device, std::size_t index);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void open();                      // the outcome is on_ready or on_closed, never from inside this call
  void close(bool say_disconnect);  // silent: no on_closed
  std::string& output();            // append packets here; written at the end of the turn
  // Telemetry of QoS 1, or unsettled: on_puback tells of this id.
  void publish(std::string_view body, std::uint16_t id);
  bool has_room() const { return !amqp_ || amqp_->has_room(); }
  void ping_if_due(std::chrono::steady_clock::time_point now);

  bool is_ready() const { return state_ == State::ready; }
  bool is_closed() const { return state_ == State::closed; }
  bool was_ready() const { return was_ready_; }
  bool was_resumed() const { return resumed_; }
  std::chrono::steady_clock::time_point opened_at() const { return opened_at_; }
  const Device& device() const { return device_; }
  std::size_t index() const { return index_; }

 private:
  enum class State { closed, connecting, handshaking, upgrading, greeting, ready };

  void on_socket_ready() override;
  void flush() override;
  void continue_handshake();
  void send_upgrade();
  bool read_upgrade(std::string_view& bytes);  // false: not answered yet, or the link was closed
  void send_connect();
  bool hear(std::string_view bytes);  // AMQP; false: the link was closed
  void frame_output();
  void read_packets();
  bool read_packets_of(std::string_view bytes);                   // false: the link was closed
  bool handle_packet(std::uint8_t first, std::string_view body);  // false: the link was closed
  bool handle_publish(std::uint8_t first, std::string_view body);
  void fail(std::string_view reason);
  void release();

  LinkContext& context_;
  Device& device_;
  std::size_t index_;
  State state_ = State::closed;
  int socket_ = -1;
  SslPtr ssl_;
  std::string output_;
  std::string framed_;  // over WebSocket: output that is on its way
  std::optional<AmqpSide> amqp_;
  WebSocketReader frames_;
  std::string input_;    // an incomplete packet
  std::string failure_;  // of open(), told on the next turn
  bool dirty_ = false;
  bool resumed_ = false;
  bool was_ready_ = false;
  std::chrono::steady_clock::time_point opened_at_;
  std::chrono::steady_clock::time_point written_at_;
};

}  // namespace kyanite::load
