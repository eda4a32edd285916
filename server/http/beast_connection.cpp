#include "server/http/http_connection.h"

#include <openssl/rand.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "protocol/base/base64.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

// Beast parses in place, so the buffer must hold a whole head, and reads ahead into what is left.
constexpr std::size_t kBufferBytesMax = 2 * limits::kHttpHeaderBytesMax;
// A peer that sends while a stream goes out is read up to here; beyond, only writing finds out that it is
// gone.
constexpr std::size_t kReadAheadBytesMax = 16 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr int kHeaderFieldsTooLarge = 431;

std::string new_tracking_id() {
  std::array<unsigned char, 16> bytes{};
  KYANITE_ASSERT(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  return encode_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// "Wed, 29 Jul 2026 10:11:12 GMT", whatever the locale.
std::string http_date(WallTime time) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(time - day));
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

// What the connection answers for a request that cannot be read; nothing when the peer is gone.
std::optional<Error> refusal_of(error_code error) {
  if (error == http::error::body_limit) return Error(Errc::request_too_large, "the body is over the limit");
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Error(Errc::request_too_large, "the request head is over the limit");
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == http::make_error_code(http::error::bad_target).category()) {
    return Error(Errc::argument_invalid,
                 "The bytes received are not an HTTP/1.1 request: " + error.message());
  }
  return std::nullopt;
}

// The connection as a chain of steps; each ends in one asynchronous operation whose end is the next step.
class BeastConnection final : public HttpConnection, private ResponseStream::Output {
 public:
  BeastConnection(std::shared_ptr<HttpConnections> home, std::unique_ptr<TlsStream> stream)
      : home_(std::move(home)), stream_(std::move(stream)) {
    home_->members.insert(this);
  }
  ~BeastConnection() override {
    producer_.reset();
    home_->members.erase(this);
    home_->check_empty();
  }

  // Waits for the next request. While nothing comes the connection holds no buffer.
  void wait() {
    if (buffer_.size() > 0 || stream_->has_pending()) return read_head();
    if (home_->draining) return close();
    buffer_.shrink_to_fit();
    idle_ = true;
    arm_timer(home_->limits.idle_time);
    stream_->wait_readable([self = self()](error_code error) {
      self->idle_ = false;
      if (error) return self->drop();
      self->read_head();
    });
  }

  void drain() override {
    if (producer_) return finish();
    if (!idle_) return;  // what is under way sees `draining` when it is answered
    stream_->send_close_notify();
    drop();
  }

  void cut() override { drop(); }

 private:
  std::shared_ptr<BeastConnection> self() {
    return std::static_pointer_cast<BeastConnection>(shared_from_this());
  }

  auto then(void (BeastConnection::*step)(error_code)) {
    return [self = self(), step](error_code error, std::size_t) { ((*self).*step)(error); };
  }

  // --- reading ---

  void read_head() {
    parser_.emplace();
    parser_->header_limit(limits::kHttpHeaderBytesMax);
    parser_->body_limit(limits::kRequestBodyBytesMax);
    arm_timer(home_->limits.head_time);
    http::async_read_header(*stream_, buffer_, *parser_, then(&BeastConnection::on_head));
  }

  void on_head(error_code error) {
    if (error == http::error::end_of_stream) return close();
    take_head();
    if (error) return refuse(error);
    if (parser_->get().version() == 11 && !request_.header("host")) {
      return reject(Error(Errc::argument_invalid, "The header Host is missing"));
    }
    if (parser_->is_done()) return on_body({});
    if (std::optional<HttpResponse> refusal = home_->handler.refuse_early(request_)) {
      return respond(std::move(*refusal), false);
    }
    const bool expects = equals_ignoring_case(request_.header("expect").value_or(""), "100-continue");
    if (!expects || parser_->get().version() < 11) return read_body();
    arm_timer(home_->limits.write_time);
    asio::async_write(*stream_, asio::buffer(kContinue), then(&BeastConnection::on_continue_sent));
  }

  void take_head() {
    const auto& message = parser_->get();
    request_ = HttpRequest{};
    request_.tracking_id = new_tracking_id();
    request_.peer = stream_->peer();
    request_.verb = parse_http_verb(view_of(message.method_string()));
    parse_http_target(view_of(message.target()), request_);
    for (const auto& field : message) {
      request_.headers.emplace_back(to_lower_ascii(view_of(field.name_string())), view_of(field.value()));
    }
    apply_method_override(request_);
  }

  void on_continue_sent(error_code error) {
    if (error) return drop();
    read_body();
  }

  void read_body() {
    arm_timer(home_->limits.body_time);
    http::async_read(*stream_, buffer_, *parser_, then(&BeastConnection::on_body));
  }

  void on_body(error_code error) {
    disarm_timer();
    if (error) return refuse(error);
    ++home_->counters.requests;
    keep_alive_ = parser_->keep_alive();
    version_ = parser_->get().version();
    request_.body = std::move(parser_->get().body());
    parser_.reset();
    const bool is_head = request_.verb == HttpVerb::head;
    home_->handler.handle(
        request_, Reply<HttpResponse>(home_->shard, [self = self(), is_head](Result<HttpResponse> response) {
          self->on_response(std::move(response), is_head);
        }));
    request_.body.clear();
    request_.body.shrink_to_fit();
  }

  void refuse(error_code error) {
    std::optional<Error> reason = refusal_of(error);
    if (!reason) return drop();
    reject(*reason, error == http::error::body_limit ? 0 : kHeaderFieldsTooLarge);
  }

  // Answers what the handler never saw, and closes: where the next request begins is unknown.
  void reject(const Error& error, int too_large_status = 0) {
    ++home_->counters.rejected;
    HttpResponse response = home_->handler.reject(request_, error);
    if (error.code == Errc::request_too_large && too_large_status != 0) response.status = too_large_status;
    respond(std::move(response), false);
  }

  // --- answering ---

  void on_response(Result<HttpResponse> result, bool is_head) {
    if (!stream_->is_open()) return;
    HttpResponse response = result ? std::move(*result) : home_->handler.reject(request_, result.error());
    if (response.stream) return begin_stream(std::move(response));
    respond(std::move(response), keep_alive_ && !home_->draining, is_head);
  }

  template <class Message>
  void write_fields(const HttpResponse& response, bool keep_alive, Message& message) const {
    message.version(version_);
    message.result(static_cast<unsigned>(response.status));
    message.set(http::field::server, "Kyanite");
    message.set(http::field::date, http_date(home_->shard.wall_now()));
    if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) message.insert(name, value);
    message.keep_alive(keep_alive);
  }

  void respond(HttpResponse response, bool keep_alive, bool is_head = false) {
    keep_alive_ = keep_alive;
    message_.emplace();
    write_fields(response, keep_alive, *message_);
    if (response.status != 204) message_->content_length(response.body.size());
    if (!is_head) message_->body() = std::move(response.body);
    arm_timer(home_->limits.write_time);
    http::async_write(*stream_, *message_, then(&BeastConnection::on_answered));
  }

  void on_answered(error_code error) {
    disarm_timer();
    message_.reset();
    if (error) return drop();
    if (!keep_alive_) return close();
    wait();
  }

  // --- streaming ---

  // A response in pieces. The connection ends with it: HTTP/1.0 peers know its end by that alone.
  void begin_stream(HttpResponse response) {
    producer_ = std::move(response.stream);
    chunked_ = version_ >= 11;
    head_.emplace();
    write_fields(response, false, *head_);
    if (chunked_) head_->chunked(true);
    head_serializer_.emplace(*head_);
    writing_ = true;
    arm_timer(home_->limits.write_time);
    http::async_write_header(*stream_, *head_serializer_, then(&BeastConnection::on_piece_sent));
    watch_peer();
    producer_->start(*this);
    if (home_->draining) finish();
  }

  // Reads only to learn that the peer went; this is also what keeps the connection while nothing is written.
  void watch_peer() {
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

  void write(std::string piece) override {
    if (end_ != End::open) return;
    queued_ += piece;
    send_queued();
  }
  std::size_t queued_bytes() const override { return queued_.size() + in_flight_.size(); }
  void finish() override {
    if (end_ == End::open) end_ = End::finished;
    send_queued();
  }
  void abort() override {
    if (end_ == End::open) end_ = End::aborted;
    send_queued();
  }

  void send_queued() {
    if (writing_ || !stream_->is_open()) return;
    if (queued_.empty()) {
      if (end_ != End::open) send_end();
      return;
    }
    writing_ = true;
    arm_timer(home_->limits.write_time);
    in_flight_ = std::exchange(queued_, {});
    if (chunked_) {
      asio::async_write(*stream_, http::make_chunk(asio::buffer(in_flight_)),
                        then(&BeastConnection::on_piece_sent));
    } else {
      asio::async_write(*stream_, asio::buffer(in_flight_), then(&BeastConnection::on_piece_sent));
    }
  }

  void on_piece_sent(error_code error) {
    disarm_timer();
    writing_ = false;
    in_flight_.clear();
    if (error) return drop();
    send_queued();
    if (producer_ && end_ == End::open && queued_bytes() < limits::kOutputHighBytes) producer_->on_writable();
  }

  // The producer may be on the stack: it goes when the last write has ended.
  void send_end() {
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

  void on_stream_ended(error_code error) {
    producer_.reset();
    if (error || !stream_->is_open()) return drop();
    close();
  }

  // --- ending ---

  // Ends our side, then reads and drops what the peer still sends: closing a socket with unread bytes would
  // reset it, and the peer could lose the answer.
  void close() {
    arm_timer(home_->limits.linger_time);
    stream_->async_shutdown([self = self()](error_code error) {
      if (error) return self->drop();
      error_code ignored;
      self->stream_->socket().shutdown(TlsStream::Socket::shutdown_send, ignored);
      self->linger();
    });
  }

  void linger() {
    const auto scratch = home_->shard.read_buffer();
    stream_->socket().async_read_some(
        asio::buffer(scratch.data(), scratch.size()), [self = self()](error_code error, std::size_t bytes) {
          self->lingered_bytes_ += bytes;
          if (error || self->lingered_bytes_ > self->home_->limits.linger_bytes_max) {
            return self->drop();
          }
          self->linger();
        });
  }

  void drop() {
    disarm_timer();
    producer_.reset();
    stream_->close();
  }

  // --- time ---

  // One limit at a time. When it passes everything pending ends with an error, and the connection with it.
  void arm_timer(milliseconds limit) {
    disarm_timer();
    timer_ = home_->shard.after(limit, [weak = weak_from_this()] {
      if (const auto connection = weak.lock()) static_cast<BeastConnection&>(*connection).on_timeout();
    });
  }
  void disarm_timer() {
    if (timer_) home_->shard.cancel(std::exchange(timer_, {}));
  }
  void on_timeout() {
    timer_ = {};
    ++home_->counters.timed_out;
    drop();
  }

  enum class End { open, finished, aborted };

  const std::shared_ptr<HttpConnections> home_;
  const std::unique_ptr<TlsStream> stream_;
  TimerId timer_{};
  bool idle_ = false;

  // The request under way.
  beast::flat_buffer buffer_{kBufferBytesMax};
  std::optional<http::request_parser<http::string_body>> parser_;
  HttpRequest request_;
  bool keep_alive_ = true;
  unsigned version_ = 11;

  // Its response: whole, or in pieces.
  std::optional<http::response<http::string_body>> message_;
  std::optional<http::response<http::empty_body>> head_;
  std::optional<http::response_serializer<http::empty_body>> head_serializer_;
  std::unique_ptr<ResponseStream> producer_;
  bool chunked_ = false;
  bool writing_ = false;
  End end_ = End::open;
  std::string queued_;
  std::string in_flight_;

  std::size_t lingered_bytes_ = 0;
};

}  // namespace

void start_http_connection(std::shared_ptr<HttpConnections> home, std::unique_ptr<TlsStream> stream) {
  std::make_shared<BeastConnection>(std::move(home), std::move(stream))->wait();
}

}  // namespace kyanite
