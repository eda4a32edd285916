#include "server/net/ws_channel.h"

#include <sys/socket.h>

#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cerrno>

#include "server/net/channel_limits.h"
#include "server/net/ws_transport.h"

namespace kyanite {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;

// Beast asks for this when a WebSocket has come to its end; the channel ends the stream itself.
template <class Handler>
void async_teardown(boost::beast::role_type, WsTransport& transport, Handler&& handler) {
  asio::post(transport.get_executor(),
             boost::beast::bind_front_handler(std::forward<Handler>(handler), boost::system::error_code{}));
}

namespace {

constexpr std::size_t kIdleReadBytes = 512;
constexpr std::size_t kBusyReadBytes = 16 * 1024;

void release(std::string& buffer) {
  if (buffer.capacity() > kOutputKeptBytes) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

// What lives as long as operations of the WebSocket are pending, even when the connection has let go of its
// WsChannel. Only its shard touches it, so the count is a plain integer.
class WsChannel::State final : public TurnHook,
                               public boost::intrusive_ref_counter<State, boost::thread_unsafe_counter> {
 public:
  State(std::unique_ptr<TlsStream> stream, WsHandshake handshake)
      : stream_(std::move(stream)),
        shard_(stream_->shard()),
        key_(std::move(handshake.key)),
        subprotocol_(std::move(handshake.subprotocol)),
        websocket_(*stream_, std::move(handshake.read_ahead)) {
    stream_->peer().transport = PeerTransport::websocket;
    websocket_.binary(true);
    websocket_.auto_fragment(false);
    websocket_.read_message_max(0);  // a message is a piece of a stream and is never held as a whole
  }

  void start(Sink& sink) {
    KYANITE_ASSERT(!started_);
    started_ = true;
    sink_ = &sink;
    if (phase_ == Phase::opening) accept();
  }
  void detach() { sink_ = nullptr; }

  void write(std::string_view bytes) {
    if ((phase_ != Phase::open && phase_ != Phase::opening) || bytes.empty()) return;
    output_.append(bytes);
    if (!writing_) shard_.at_turn_end(*this);
  }
  std::size_t queued_bytes() const { return output_.size() + in_flight_.size(); }

  void pause_reading() { paused_ = true; }
  void resume_reading();

  void close(bool flush);
  void abandon();

  PeerInfo& peer() { return stream_->peer(); }

  void on_turn_end() override;

 private:
  using Self = boost::intrusive_ptr<State>;
  using error_code = boost::system::error_code;

  enum class Phase {
    opening,  // the answer 101 is on its way
    open,
    closing,    // close(false): ends with the turn
    flushing,   // close(true): sending the rest
    parting,    // reported; our close frame waits for the peer's
    lingering,  // reported; dropping what the peer still sends
    closed,
  };

  void accept();
  void on_accepted(error_code error);
  void read();
  void on_read(error_code error, std::size_t bytes);
  void deliver(std::size_t bytes);
  void on_read_failed(error_code error);
  void flush_output();
  void on_written(error_code error);
  void part(websocket::close_code code, ChannelEnd how);
  void linger(ChannelEnd how);
  void watch_input();
  void drain_input();
  void end(ChannelEnd how);
  void report(ChannelEnd how);
  void limit_to(milliseconds time);

  const std::unique_ptr<TlsStream> stream_;
  Shard& shard_;
  Sink* sink_ = nullptr;
  std::string key_;
  std::string subprotocol_;
  std::unique_ptr<char[]> input_;  // a read may be under way into it
  std::size_t input_bytes_ = 0;    // its size
  std::size_t wanted_bytes_ = kIdleReadBytes;
  std::size_t held_bytes_ = 0;  // read while paused
  std::string output_;
  std::string in_flight_;
  std::size_t lingered_bytes_ = 0;
  TimerId timer_;
  Phase phase_ = Phase::opening;
  bool started_ = false;
  bool paused_ = false;
  bool reading_ = false;
  bool writing_ = false;
  // Compression is left out of the type: it is never agreed, and would cost memory.
  websocket::stream<WsTransport, false> websocket_;
};

// Opening

void WsChannel::State::accept() {
  // Judged already; Beast makes the answer from it.
  http::request<http::empty_body> request(http::verb::get, "/", 11);
  request.set(http::field::host, "hub");
  request.set(http::field::upgrade, "websocket");
  request.set(http::field::connection, "upgrade");
  request.set(http::field::sec_websocket_version, "13");
  request.set(http::field::sec_websocket_key, std::exchange(key_, {}));
  websocket_.set_option(websocket::stream_base::decorator(
      [subprotocol = std::exchange(subprotocol_, {})](websocket::response_type& response) {
        response.set(http::field::server, "Kyanite");
        if (!subprotocol.empty()) response.set(http::field::sec_websocket_protocol, subprotocol);
      }));
  websocket_.async_accept(request, [self = Self(this)](error_code error) { self->on_accepted(error); });
}

void WsChannel::State::on_accepted(error_code error) {
  const Shard::Turn turn(shard_);
  if (phase_ != Phase::opening) return;
  if (error) return end(ChannelEnd::reset);
  websocket_.set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));
  websocket_.next_layer().release_buffer();
  phase_ = Phase::open;
  if (!output_.empty()) shard_.at_turn_end(*this);
  read();
}

// Reading

void WsChannel::State::read() {
  if (reading_ || phase_ != Phase::open || !sink_ || paused_ || held_bytes_ > 0) return;
  if (input_bytes_ != wanted_bytes_) {
    input_.reset();
    input_.reset(new char[wanted_bytes_]);
    input_bytes_ = wanted_bytes_;
  }
  reading_ = true;
  websocket_.async_read_some(
      asio::buffer(input_.get(), input_bytes_),
      [self = Self(this)](error_code error, std::size_t bytes) { self->on_read(error, bytes); });
}

void WsChannel::State::on_read(error_code error, std::size_t bytes) {
  reading_ = false;
  const Shard::Turn turn(shard_);
  if (phase_ == Phase::parting || phase_ == Phase::lingering || phase_ == Phase::closed) {
    input_.reset();
    input_bytes_ = 0;
    return;
  }
  if (error) return on_read_failed(error);
  if (websocket_.got_text()) return part(websocket::close_code::unknown_data, ChannelEnd::violated);
  if (phase_ != Phase::open || !sink_) return;
  if (paused_) {
    held_bytes_ = bytes;
    return;
  }
  deliver(bytes);
}

void WsChannel::State::deliver(std::size_t bytes) {
  if (bytes > 0) sink_->on_bytes({input_.get(), bytes});
  wanted_bytes_ = websocket_.is_message_done() ? kIdleReadBytes : kBusyReadBytes;
  read();
}

// Posted, since the sink may be on the stack.
void WsChannel::State::resume_reading() {
  paused_ = false;
  if (held_bytes_ == 0) return read();
  asio::post(stream_->get_executor(), [self = Self(this)] {
    const Shard::Turn turn(self->shard_);
    if (self->phase_ != Phase::open || !self->sink_ || self->paused_ || self->held_bytes_ == 0) return;
    self->deliver(std::exchange(self->held_bytes_, 0));
  });
}

// A breach of the framing was answered by Beast with a close frame of its own.
void WsChannel::State::on_read_failed(error_code error) {
  if (error == websocket::error::closed) return linger(ChannelEnd::peer_closed);
  if (error == websocket::condition::protocol_violation || error == websocket::error::bad_frame_payload) {
    return linger(ChannelEnd::violated);
  }
  end(error == asio::error::eof ? ChannelEnd::peer_closed : ChannelEnd::reset);
}

// Writing

void WsChannel::State::on_turn_end() {
  const Self guard(this);
  switch (phase_) {
    case Phase::open:
    case Phase::flushing:
      return flush_output();
    case Phase::closing:
      release(output_);
      return part(websocket::close_code::normal, ChannelEnd::closed_by_us);
    case Phase::opening:  // waits for on_accepted
    case Phase::parting:
    case Phase::lingering:
    case Phase::closed:
      return;
  }
}

void WsChannel::State::flush_output() {
  if (writing_) return;
  if (output_.empty()) {
    if (phase_ == Phase::flushing) part(websocket::close_code::normal, ChannelEnd::closed_by_us);
    return;
  }
  in_flight_.swap(output_);
  writing_ = true;
  websocket_.async_write(asio::buffer(in_flight_),
                         [self = Self(this)](error_code error, std::size_t) { self->on_written(error); });
}

void WsChannel::State::on_written(error_code error) {
  writing_ = false;
  const Shard::Turn turn(shard_);
  release(in_flight_);
  if (websocket_.next_layer().has_buffer()) websocket_.next_layer().release_buffer();
  if (phase_ != Phase::open && phase_ != Phase::flushing) return;
  if (error) return end(ChannelEnd::reset);
  if (!output_.empty() || phase_ == Phase::flushing) return flush_output();
  if (sink_) sink_->on_writable();
}

// Closing

void WsChannel::State::close(bool flush) {
  if (phase_ == Phase::parting || phase_ == Phase::lingering || phase_ == Phase::closed) return;
  if (!flush || phase_ == Phase::opening) {
    phase_ = Phase::closing;
    shard_.at_turn_end(*this);
  } else if (phase_ == Phase::open) {
    phase_ = Phase::flushing;
    limit_to(kFlushTime);
    shard_.at_turn_end(*this);
  }
}

// The connection let go of its channel. A flush or a closing handshake under way goes on; anything else ends
// here.
void WsChannel::State::abandon() {
  sink_ = nullptr;
  if (phase_ == Phase::opening || phase_ == Phase::open || phase_ == Phase::closing) {
    end(ChannelEnd::closed_by_us);
  }
}

// Sends our close frame and reports; what follows is between the two ends of the WebSocket. A peer that does
// not take what was sent before would not take the frame either.
void WsChannel::State::part(websocket::close_code code, ChannelEnd how) {
  if (writing_ || !websocket_.is_open()) return end(how);
  const Self guard(this);  // the timer may hold the last reference
  phase_ = Phase::parting;
  limit_to(kCloseTime);
  websocket_.async_close(code, [self = Self(this)](error_code) {
    if (self->phase_ == Phase::parting) self->linger(ChannelEnd::closed_by_us);
  });
  report(how);
}

// Both close frames are out, or as many as there will be: ends our side, and gives the peer time to read.
void WsChannel::State::linger(ChannelEnd how) {
  const Self guard(this);
  phase_ = Phase::lingering;
  stream_->send_close_notify();
  ::shutdown(stream_->socket().native_handle(), SHUT_WR);
  limit_to(kLingerTime);
  watch_input();
  report(how);
}

void WsChannel::State::watch_input() {
  stream_->wait_readable([self = Self(this)](error_code) {
    if (self->phase_ == Phase::lingering) self->drain_input();
  });
}

void WsChannel::State::drain_input() {
  const std::span<char> scratch = shard_.read_buffer();
  const ssize_t size =
      ::recv(stream_->socket().native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (size > 0) lingered_bytes_ += static_cast<std::size_t>(size);
  const bool more = size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
  if (!more || lingered_bytes_ > kLingerBytesMax) return end(ChannelEnd::closed_by_us);
  watch_input();
}

// Not called from inside a sink's call or close(), except by abandon(), which has forgotten the sink.
void WsChannel::State::end(ChannelEnd how) {
  if (phase_ == Phase::closed) return;
  const Self guard(this);
  phase_ = Phase::closed;
  shard_.cancel(timer_);
  if (how != ChannelEnd::reset) stream_->send_close_notify();
  stream_->close();
  release(output_);
  report(how);
}

void WsChannel::State::report(ChannelEnd how) {
  if (Sink* sink = std::exchange(sink_, nullptr)) sink->on_closed(how);
}

void WsChannel::State::limit_to(milliseconds time) {
  shard_.cancel(timer_);
  timer_ = shard_.after(time, [self = Self(this)] { self->end(ChannelEnd::closed_by_us); });
}

// WsChannel

WsChannel::WsChannel(std::unique_ptr<TlsStream> stream, WsHandshake handshake)
    : state_(new State(std::move(stream), std::move(handshake))) {}
WsChannel::~WsChannel() { state_->abandon(); }

void WsChannel::start(Sink& sink) { state_->start(sink); }
void WsChannel::detach() { state_->detach(); }
void WsChannel::write(std::string_view bytes) { state_->write(bytes); }
std::size_t WsChannel::queued_bytes() const { return state_->queued_bytes(); }
void WsChannel::pause_reading() { state_->pause_reading(); }
void WsChannel::resume_reading() { state_->resume_reading(); }
void WsChannel::close(bool flush) { state_->close(flush); }
const PeerInfo& WsChannel::peer() const { return state_->peer(); }
void WsChannel::release_certificates() { state_->peer().certificate_chain = std::vector<std::string>(); }

}  // namespace kyanite
