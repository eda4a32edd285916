#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/base/peer_info.h"

namespace kyanite {

enum class ChannelEnd {
  peer_closed,   // orderly end by the peer
  reset,         // socket or TLS error
  closed_by_us,  // close() was called
  violated,      // the peer broke the rules of the transport itself, as those of WebSocket
};

// Channel is a connected byte stream: TLS over TCP, WebSocket over TLS, or simulated.
//
// Owner: its connection, on one shard; every call on that shard. The channel keeps itself alive only while
// its own socket operations are pending, and calls no sink after detach or on_closed.
class Channel {
 public:
  // Sink receives what the channel reads. Calls never nest: on_bytes is not called from inside write.
  class Sink {
   public:
    virtual ~Sink() = default;
    // Bytes as read, valid during the call only.
    virtual void on_bytes(std::string_view bytes) = 0;
    // queued_bytes() fell back to zero after write() had left something queued.
    virtual void on_writable() = 0;
    // The stream ended. Called once, never from inside close(); nothing follows.
    virtual void on_closed(ChannelEnd end) = 0;
  };

  virtual ~Channel() = default;

  // Must be called once before anything is read.
  virtual void start(Sink& sink) = 0;
  // Forgets the sink: no further calls. The socket closes when the channel is destroyed.
  virtual void detach() = 0;

  // Appends to the output; everything written during one turn of the loop leaves in one TLS record stream.
  virtual void write(std::string_view bytes) = 0;
  virtual std::size_t queued_bytes() const = 0;

  // After pause_reading no on_bytes is called until resume_reading; TCP pushes back on the peer.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;

  // Ends the stream. flush=true first sends what is queued (bounded by a short timeout inside the channel).
  virtual void close(bool flush) = 0;

  virtual const PeerInfo& peer() const = 0;
  virtual void release_certificates() = 0;
};

}  // namespace kyanite
