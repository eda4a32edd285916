#include "server/net/handshake.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

namespace kyanite {
namespace {

constexpr unsigned char kTlsHandshakeRecord = 0x16;
// In a reconnect storm honest peers are slow to send their first bytes; they keep their place so long.
constexpr milliseconds kSilenceMin{400};

// Of an IPv6 address the first half: the network that one peer has to itself.
std::string source_of(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  if (error || !parsed.is_v6()) return address;
  const auto bytes = parsed.to_v6().to_bytes();
  return std::string(bytes.begin(), bytes.begin() + bytes.size() / 2);
}

}  // namespace

Handshake::Handshake(std::unique_ptr<TlsStream> stream, Done done)
    : stream_(std::move(stream)),
      done_(std::move(done)),
      source_(source_of(stream_->peer().address)),
      address_(stream_->peer().address) {}

void Handshake::begin(const HandshakeTimes& times) {
  begun_ = stream_->shard().now();
  deadline_ = begun_ + times.whole;
  limit_to(std::min(times.first_byte, times.whole));
  wait_first_byte();
}

bool Handshake::displace_if_silent() {
  if (!silent_ || ended_ || stream_->shard().now() - begun_ < kSilenceMin) return false;
  if (has_unread_bytes()) return false;
  end(HandshakeEnd::displaced);
  return true;
}

bool Handshake::displace_if_waiting(milliseconds time) {
  if (ended_ || stream_->shard().now() - begun_ < time || has_unread_bytes()) return false;
  end(HandshakeEnd::displaced);
  return true;
}

// That this shard has not got to yet.
bool Handshake::has_unread_bytes() const {
  unsigned char first = 0;
  return ::recv(stream_->socket().native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void Handshake::limit_to(milliseconds time) {
  if (timer_) stream_->shard().cancel(timer_);
  timer_ = stream_->shard().after(time, [self = Self(this)] { self->end(HandshakeEnd::timed_out); });
}

void Handshake::wait_first_byte() {
  stream_->wait_readable([self = Self(this)](const TlsStream::error_code& error) {
    const Shard::Turn turn(self->stream_->shard());
    self->on_first_byte(error);
  });
}

void Handshake::on_first_byte(const TlsStream::error_code& error) {
  if (ended_) return;
  if (error) return end(HandshakeEnd::failed);
  unsigned char first = 0;
  const ssize_t size = ::recv(stream_->socket().native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return wait_first_byte();
  if (size <= 0) return end(HandshakeEnd::failed);
  if (first != kTlsHandshakeRecord && !stream_->is_plain())
    return fail(TlsFailure::plain_text, "the client speaks without TLS");
  silent_ = false;
  const auto left = std::chrono::ceil<milliseconds>(deadline_ - stream_->shard().now());
  limit_to(std::max(left, milliseconds(0)));
  step();
}

void Handshake::step() {
  if (ended_) return;
  const auto again = [self = Self(this)](const TlsStream::error_code& error) {
    const Shard::Turn turn(self->stream_->shard());
    if (error) return self->fail(TlsFailure::left, self->stream_->tls_problem());
    self->step();
  };
  switch (stream_->try_handshake().status) {
    case TlsStream::Status::ok:
      return end(HandshakeEnd::finished);
    case TlsStream::Status::want_read:
      return stream_->wait_readable(again);
    case TlsStream::Status::want_write:
      return stream_->wait_writable(again);
    case TlsStream::Status::closed:
    case TlsStream::Status::failed:
      return fail(stream_->tls_failure(), stream_->tls_problem());
  }
}

void Handshake::fail(TlsFailure why, std::string problem) {
  failure_ = why;
  problem_ = std::move(problem);
  end(HandshakeEnd::failed);
}

// The stream of a failed handshake stays until its aborted operations have come back.
void Handshake::end(HandshakeEnd how) {
  if (std::exchange(ended_, true)) return;
  const Self guard(this);
  unlink();
  stream_->shard().cancel(timer_);
  if (how != HandshakeEnd::finished) stream_->close();
  Done done = std::move(done_);
  done(how, how == HandshakeEnd::finished ? std::move(stream_) : nullptr, *this);
}

}  // namespace kyanite
