#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/write.hpp>
#include <limits>
#include <sstream>
#include <utility>

#include "server/http/beast_connection.h"

namespace kyanite {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

// A peer that sends while a stream goes out is read up to here; beyond, only writing finds out that it is
// gone.
constexpr std::size_t kReadAheadBytesMax = 16 * 1024;

}  // namespace

// A fault: a part of the answer, and then nothing.
void BeastConnection::respond_cut(std::uint64_t bytes) {
  if (bytes == 0) return drop();
  std::ostringstream text;
  text << *message_;
  in_flight_ = text.str();
  const bool is_whole = in_flight_.size() <= bytes;
  in_flight_.resize(std::min<std::uint64_t>(in_flight_.size(), bytes));
  arm_timer(home_->limits.write_time);
  asio::async_write(*stream_, asio::buffer(in_flight_),
                    [self = self(), is_whole](error_code error, std::size_t) {
                      self->in_flight_.clear();
                      if (is_whole) return self->on_answered(error);
                      self->drop();
                    });
}

// A response in pieces. The connection ends with it: HTTP/1.0 peers know its end by that alone.
void BeastConnection::begin_stream(HttpResponse response) {
  limit_unacknowledged();
  producer_ = std::move(response.stream);
  cut_left_ = response.cut_after;
  chunked_ = version_ >= 11 && !response.length;
  head_.emplace();
  write_fields(response, *head_);
  head_->keep_alive(false);
  if (chunked_) head_->chunked(true);
  if (response.length) head_->content_length(*response.length);
  head_serializer_.emplace(*head_);
  writing_ = true;
  arm_timer(home_->limits.write_time);
  http::async_write_header(*stream_, *head_serializer_, then(&BeastConnection::on_piece_sent));
  watch_peer();
  producer_->start(*this);
  if (home_->draining) finish();
}

// The timer sees what the kernel does not take. What it took, and a peer that is gone never confirms, would
// keep the connection for as long as TCP repeats itself, a quarter of an hour.
void BeastConnection::limit_unacknowledged() {
  const auto limit = static_cast<unsigned>(home_->limits.write_time.count());
  // Where it cannot be set the peer has gone, and reading finds out.
  static_cast<void>(
      ::setsockopt(stream_->socket().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit));
}

// Reads only to learn that the peer went; this is also what keeps the connection while nothing is written.
void BeastConnection::watch_peer() {
  if (buffer_.size() >= kReadAheadBytesMax) {
    stream_->socket().async_wait(TlsStream::Socket::wait_error, [self = self()](error_code) {
      if (self->producer_) self->drop();
    });
    return;
  }
  stream_->async_read_some(buffer_.prepare(1024), [self = self()](error_code error, std::size_t bytes) {
    if (!self->producer_) return;
    if (error) return self->drop();
    self->buffer_.commit(bytes);
    self->watch_peer();
  });
}

void BeastConnection::write(std::string piece) {
  if (end_ != End::open) return;
  queued_ += piece;
  send_queued();
}

std::size_t BeastConnection::queued_bytes() const {
  if (end_ != End::open) return std::numeric_limits<std::size_t>::max();  // nothing more is taken
  return queued_.size() + in_flight_.size();
}

void BeastConnection::finish() {
  if (end_ == End::open) end_ = End::finished;
  send_queued();
}

void BeastConnection::abort() {
  if (end_ == End::open) end_ = End::aborted;
  send_queued();
}

void BeastConnection::send_queued() {
  if (writing_ || !stream_->is_open()) return;
  if (queued_.empty()) {
    if (end_ != End::open) send_end();
    return;
  }
  writing_ = true;
  arm_timer(home_->limits.write_time);
  in_flight_ = std::exchange(queued_, {});
  if (cut_left_) {
    in_flight_.resize(std::min<std::uint64_t>(in_flight_.size(), *cut_left_));
    *cut_left_ -= in_flight_.size();
  }
  if (chunked_) {
    asio::async_write(*stream_, http::make_chunk(asio::buffer(in_flight_)),
                      then(&BeastConnection::on_piece_sent));
  } else {
    asio::async_write(*stream_, asio::buffer(in_flight_), then(&BeastConnection::on_piece_sent));
  }
}

void BeastConnection::on_piece_sent(error_code error) {
  disarm_timer();
  writing_ = false;
  in_flight_.clear();
  if (error || cut_left_ == 0) return drop();
  send_queued();
  if (producer_ && end_ == End::open && queued_bytes() < limits::kOutputHighBytes) producer_->on_writable();
}

// The producer may be on the stack: it goes when the last write has ended.
void BeastConnection::send_end() {
  writing_ = true;
  arm_timer(home_->limits.write_time);
  if (end_ == End::aborted) {
    home_->shard.post([self = self()] { self->drop(); });
  } else if (chunked_) {
    asio::async_write(*stream_, http::make_chunk_last(), then(&BeastConnection::on_stream_ended));
  } else {
    home_->shard.post([self = self()] { self->on_stream_ended({}); });
  }
}

void BeastConnection::on_stream_ended(error_code error) {
  producer_.reset();
  if (error || !stream_->is_open()) return drop();
  close();
}

}  // namespace kyanite
