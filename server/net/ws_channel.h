#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <memory>
#include <string>

#include "protocol/base/channel.h"
#include "server/net/tls_stream.h"

namespace kyanite {

// What the HTTP upgrade left for the WebSocket: it was judged and is answered by the channel.
struct WsHandshake {
  std::string key;          // Sec-WebSocket-Key
  std::string subprotocol;  // to be echoed; empty: the answer names none
  std::string read_ahead;   // what the client sent behind the head of its request
};

// WsChannel is the Channel of a device that talks MQTT over WebSocket over TLS [device-mqtt.md 1.2].
//
// Reading: payloads of binary messages, as one stream whatever their frames; while it is idle a small buffer
// waits, a large one takes the rest of a message that does not fit. Pings are answered, pongs dropped,
// compression is never agreed; the sink sees none of it. A text message ends the channel with 1003, a breach
// of the framing with 1002. Writing: what is written in one turn leaves as one binary message at its end; the
// next one begins when that is out. Paused, nothing is read from the socket beyond one buffer.
//
// The end: close() sends a close frame and reports at once; the peer has kCloseTime to answer it.
// close(flush=true) first sends what is queued, for at most kFlushTime. A peer's close frame is answered and
// reported as peer_closed. Owner: its connection. Destroying it closes the socket at once, unless it was
// closed before. Bound: queued_bytes() is reported, and the connection decides.
class WsChannel final : public Channel {
 public:
  static constexpr milliseconds kFlushTime{5000};
  static constexpr milliseconds kCloseTime{2000};
  // After the last frame what the peer still sends is read and dropped for so long (see TlsChannel).
  static constexpr milliseconds kLingerTime{1000};

  WsChannel(std::unique_ptr<TlsStream> stream, WsHandshake handshake);
  ~WsChannel() override;

  // Sends the answer 101 first.
  void start(Sink& sink) override;
  void detach() override;
  void write(std::string_view bytes) override;
  std::size_t queued_bytes() const override;
  void pause_reading() override;
  void resume_reading() override;
  void close(bool flush) override;
  const PeerInfo& peer() const override;
  void release_certificates() override;

 private:
  class State;
  boost::intrusive_ptr<State> state_;
};

}  // namespace kyanite
