#include "server/net/tls_channel.h"

#include <sys/socket.h>

#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cerrno>
#include <string>

#include "server/net/channel_limits.h"

namespace kyanite {

// What lives as long as socket operations are pending, even when the connection has let go of its TlsChannel.
// Only its shard touches it, so the count is a plain integer.
class TlsChannel::State final : public TurnHook,
                                public boost::intrusive_ref_counter<State, boost::thread_unsafe_counter> {
 public:
  explicit State(std::unique_ptr<TlsStream> stream) : stream_(std::move(stream)), shard_(stream_->shard()) {}

  void start(Sink& sink) {
    KYANITE_ASSERT(!started_);
    started_ = true;
    sink_ = &sink;
    arm_reading();
  }
  void detach() { sink_ = nullptr; }

  void write(std::string_view bytes) {
    if (phase_ != Phase::open || bytes.empty()) return;
    if (sent_ > 0 && sent_ >= output_.size() / 2) {
      output_.erase(0, sent_);
      sent_ = 0;
    }
    output_.append(bytes);
    if (!write_armed_) shard_.at_turn_end(*this);
  }
  std::size_t queued_bytes() const { return output_.size() - sent_; }

  void pause_reading() { paused_ = true; }
  void resume_reading() {
    paused_ = false;
    arm_reading();
  }

  void close(bool flush);
  void abandon();

  PeerInfo& peer() { return stream_->peer(); }

  void on_turn_end() override;

 private:
  using Self = boost::intrusive_ptr<State>;
  using error_code = TlsStream::error_code;

  enum class Phase {
    open,
    closing,    // close(false): ends with the turn
    flushing,   // close(true): sending the rest
    lingering,  // all sent and reported; dropping what the peer still sends
    closed,
  };

  void arm_reading();
  void on_readable(const error_code& error);
  void read_turn();
  void arm_writing(TlsStream::Status want);
  void flush_output();
  void finish_flush();
  void drain_input();
  void end(ChannelEnd how);
  void release_output();

  const std::unique_ptr<TlsStream> stream_;
  Shard& shard_;
  Sink* sink_ = nullptr;
  std::string output_;
  std::size_t sent_ = 0;  // bytes of output_ that OpenSSL took
  std::size_t lingered_bytes_ = 0;
  TimerId close_timer_;
  Phase phase_ = Phase::open;
  bool started_ = false;
  bool paused_ = false;
  bool read_armed_ = false;
  bool write_armed_ = false;
};

// Reading

void TlsChannel::State::arm_reading() {
  const bool wanted = phase_ == Phase::lingering || (phase_ == Phase::open && sink_ && !paused_);
  if (read_armed_ || !wanted) return;
  read_armed_ = true;
  // What OpenSSL already took from the socket will never make it readable again. Posted, so that one busy
  // peer gets one buffer a turn and the others theirs.
  if (phase_ == Phase::open && stream_->has_pending()) {
    boost::asio::post(stream_->get_executor(), [self = Self(this)] { self->on_readable({}); });
  } else {
    stream_->wait_readable([self = Self(this)](const error_code& error) { self->on_readable(error); });
  }
}

void TlsChannel::State::on_readable(const error_code& error) {
  read_armed_ = false;
  const Shard::Turn turn(shard_);
  if (phase_ == Phase::lingering) return drain_input();
  if (phase_ != Phase::open || !sink_ || paused_) return;  // resume_reading arms again
  if (error) return end(ChannelEnd::reset);
  read_turn();
}

void TlsChannel::State::read_turn() {
  const std::span<char> buffer = shard_.read_buffer();
  std::size_t filled = 0;
  auto status = TlsStream::Status::ok;
  while (filled < buffer.size()) {
    const TlsStream::Outcome read = stream_->try_read(buffer.data() + filled, buffer.size() - filled);
    status = read.status;
    if (status != TlsStream::Status::ok) break;
    filled += read.bytes;
    // With read-ahead, nothing pending means that the socket was drained: asking again would be a wasted
    // system call.
    if (!stream_->has_pending()) break;
  }
  if (filled > 0) sink_->on_bytes({buffer.data(), filled});
  if (phase_ != Phase::open) return;
  switch (status) {
    case TlsStream::Status::closed:
      return end(ChannelEnd::peer_closed);
    case TlsStream::Status::failed:
      return end(ChannelEnd::reset);
    case TlsStream::Status::want_write:  // a TLS 1.3 key update waits to be answered
      read_armed_ = true;
      stream_->wait_writable([self = Self(this)](const error_code& error) { self->on_readable(error); });
      return;
    case TlsStream::Status::want_read:
      // What is pending is a part of a record: the rest comes through the socket.
      if (read_armed_ || !sink_ || paused_) return;
      read_armed_ = true;
      stream_->wait_readable([self = Self(this)](const error_code& error) { self->on_readable(error); });
      return;
    case TlsStream::Status::ok:
      arm_reading();
  }
}

// Writing

void TlsChannel::State::on_turn_end() {
  const Self guard(this);
  switch (phase_) {
    case Phase::open:
    case Phase::flushing:
      if (!write_armed_) flush_output();
      return;
    case Phase::closing:
      return end(ChannelEnd::closed_by_us);
    case Phase::lingering:
    case Phase::closed:
      return;
  }
}

// Writes directly first: waiting for writability before the first write would cost a loop turn per message.
void TlsChannel::State::flush_output() {
  const bool had_output = queued_bytes() > 0;
  while (queued_bytes() > 0) {
    const TlsStream::Outcome written = stream_->try_write(output_.data() + sent_, queued_bytes());
    if (written.status == TlsStream::Status::want_write || written.status == TlsStream::Status::want_read) {
      return arm_writing(written.status);
    }
    if (written.status != TlsStream::Status::ok) return end(ChannelEnd::reset);
    sent_ += written.bytes;
  }
  release_output();
  if (phase_ == Phase::flushing) return finish_flush();
  if (had_output && sink_) sink_->on_writable();
}

void TlsChannel::State::arm_writing(TlsStream::Status want) {
  write_armed_ = true;
  auto handler = [self = Self(this)](const error_code& error) {
    self->write_armed_ = false;
    const Shard::Turn turn(self->shard_);
    if (self->phase_ != Phase::open && self->phase_ != Phase::flushing) return;
    if (error) return self->end(ChannelEnd::reset);
    self->flush_output();
  };
  if (want == TlsStream::Status::want_write) {
    stream_->wait_writable(std::move(handler));
  } else {
    stream_->wait_readable(std::move(handler));
  }
}

void TlsChannel::State::release_output() {
  sent_ = 0;
  if (output_.capacity() > kOutputKeptBytes) {
    output_ = std::string();
  } else {
    output_.clear();
  }
}

// Closing

void TlsChannel::State::close(bool flush) {
  if (phase_ == Phase::lingering || phase_ == Phase::closed) return;
  if (!flush) {
    phase_ = Phase::closing;
    shard_.at_turn_end(*this);
  } else if (phase_ == Phase::open) {
    phase_ = Phase::flushing;
    close_timer_ = shard_.after(kFlushTime, [self = Self(this)] { self->end(ChannelEnd::closed_by_us); });
    shard_.at_turn_end(*this);
  }
}

// The connection let go of its channel. A flush under way goes on; anything else ends here.
void TlsChannel::State::abandon() {
  sink_ = nullptr;
  if (phase_ == Phase::open || phase_ == Phase::closing) end(ChannelEnd::closed_by_us);
}

void TlsChannel::State::finish_flush() {
  shard_.cancel(close_timer_);
  stream_->send_close_notify();
  ::shutdown(stream_->socket().native_handle(), SHUT_WR);
  phase_ = Phase::lingering;
  close_timer_ = shard_.after(kLingerTime, [self = Self(this)] { self->end(ChannelEnd::closed_by_us); });
  arm_reading();
  if (Sink* sink = std::exchange(sink_, nullptr)) sink->on_closed(ChannelEnd::closed_by_us);
}

void TlsChannel::State::drain_input() {
  const std::span<char> scratch = shard_.read_buffer();
  const ssize_t size =
      ::recv(stream_->socket().native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (size > 0) lingered_bytes_ += static_cast<std::size_t>(size);
  const bool more = size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
  if (!more || lingered_bytes_ > kLingerBytesMax) return end(ChannelEnd::closed_by_us);
  arm_reading();
}

// Not called from inside a sink's call or close(), except by abandon(), which has forgotten the sink.
void TlsChannel::State::end(ChannelEnd how) {
  if (phase_ == Phase::closed) return;
  const Self guard(this);  // the timer may hold the last reference
  if (how == ChannelEnd::peer_closed && queued_bytes() > 0 && !write_armed_) {
    // The peer may have closed its direction only: give it the answers of this turn if they go out at once.
    static_cast<void>(stream_->try_write(output_.data() + sent_, queued_bytes()));
  }
  phase_ = Phase::closed;
  shard_.cancel(close_timer_);
  if (how != ChannelEnd::reset) stream_->send_close_notify();
  stream_->close();
  release_output();
  if (Sink* sink = std::exchange(sink_, nullptr)) sink->on_closed(how);
}

// TlsChannel

TlsChannel::TlsChannel(std::unique_ptr<TlsStream> stream) : state_(new State(std::move(stream))) {}
TlsChannel::~TlsChannel() { state_->abandon(); }

void TlsChannel::start(Sink& sink) { state_->start(sink); }
void TlsChannel::detach() { state_->detach(); }
void TlsChannel::write(std::string_view bytes) { state_->write(bytes); }
std::size_t TlsChannel::queued_bytes() const { return state_->queued_bytes(); }
void TlsChannel::pause_reading() { state_->pause_reading(); }
void TlsChannel::resume_reading() { state_->resume_reading(); }
void TlsChannel::close(bool flush) { state_->close(flush); }
const PeerInfo& TlsChannel::peer() const { return state_->peer(); }
void TlsChannel::release_certificates() { state_->peer().certificate_chain = std::vector<std::string>(); }

}  // namespace kyanite
