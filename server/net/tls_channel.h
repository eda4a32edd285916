#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <memory>

#include "protocol/base/channel.h"
#include "server/net/tls_stream.h"

namespace kyanite {

// TlsChannel is the Channel of a device that talks MQTT (or AMQP) straight over TLS.
//
// Reading: on readiness everything available, at most Shard::kReadBufferBytes a turn, decrypted into the
// shard's shared buffer and given to the sink at once. Writing: appended to one buffer and sent once at the
// end of the turn; the socket is only waited for when it is full. Both buffers are gone while the connection
// is idle. Owner: its connection. Destroying it closes the socket at once, unless close(flush=true) was
// called before: then what is queued is still sent, for at most kFlushTime. Bound: queued_bytes() is
// reported, and the connection decides (limits::kOutputHighBytes, kOutputHardBytes).
class TlsChannel final : public Channel {
 public:
  static constexpr milliseconds kFlushTime{5000};
  // After an orderly close what the peer still sends is read and dropped for so long: a socket closed with
  // unread bytes would be reset, and the peer could lose our last packet.
  static constexpr milliseconds kLingerTime{1000};

  // The stream has finished its handshake. Takes its PeerInfo.
  explicit TlsChannel(std::unique_ptr<TlsStream> stream);
  ~TlsChannel() override;

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
