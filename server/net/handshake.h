#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <functional>
#include <memory>
#include <string>

#include "server/net/tls_stream.h"

namespace kyanite {

enum class HandshakeEnd { finished, failed, timed_out, displaced, cut };

// What a peer may take of the clock: for its first byte, and from the start to the end.
struct HandshakeTimes {
  milliseconds first_byte{5'000};
  milliseconds whole{20'000};
};

// Handshake takes one accepted socket through TLS, within time limits. A peer whose first byte starts no TLS
// record is not TLS: it is closed before OpenSSL sees it, so that it gets no alert [device-mqtt.md 1.1].
//
// Owner: its own pending operations; the listing per shard is only there to cut it. Used on its shard alone.
class Handshake final
    : public boost::intrusive_ref_counter<Handshake, boost::thread_unsafe_counter>,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // Called once, inside a turn, with the stream only when finished.
  using Done =
      UniqueFunction<void(HandshakeEnd end, std::unique_ptr<TlsStream> stream, const Handshake& handshake)>;

  Handshake(std::unique_ptr<TlsStream> stream, Done done);

  void begin(const HandshakeTimes& times);
  void cut() { end(HandshakeEnd::cut); }
  // Ends it when not one byte has come for a while, and tells whether it did. A peer that speaks TLS sends
  // its first bytes with the last step of connecting, so one that has not is the first to go when places are
  // short.
  bool displace_if_silent();
  // Ends it when it has been under way for `time` and its peer owes the next bytes, and tells whether it did.
  bool displace_if_waiting(milliseconds time);
  // Whose place it takes: an address, or the network of one for IPv6, where a peer has as many as it likes.
  const std::string& source() const { return source_; }
  // Once it has ended.
  const std::string& address() const { return address_; }
  TlsFailure failure() const { return failure_; }
  const std::string& problem() const { return problem_; }  // in words; empty for a peer that said nothing

 private:
  using Self = boost::intrusive_ptr<Handshake>;

  void limit_to(milliseconds time);
  void wait_first_byte();
  void on_first_byte(const TlsStream::error_code& error);
  void step();
  bool has_unread_bytes() const;
  void fail(TlsFailure why, std::string problem);
  void end(HandshakeEnd how);

  std::unique_ptr<TlsStream> stream_;
  Done done_;
  const std::string source_;
  const std::string address_;
  TlsFailure failure_ = TlsFailure::left;
  std::string problem_;
  TimerId timer_;
  SteadyTime begun_{};
  SteadyTime deadline_{};
  bool silent_ = true;  // as far as was looked
  bool ended_ = false;
};

}  // namespace kyanite
