#include "server/http/beast_connection.h"

#include <openssl/rand.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http.hpp>
#include <string_view>
#include <utility>

#include "protocol/base/base64.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/http/http_date.h"
#include "server/http/held_response.h"

namespace kyanite {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr int kHeaderFieldsTooLarge = 431;

std::string new_tracking_id() {
  std::array<unsigned char, 16> bytes{};
  KYANITE_ASSERT(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  return encode_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

// What the connection answers for a request that cannot be read; nothing when the peer is gone.
std::optional<Error> refusal_of(boost::system::error_code error) {
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

}  // namespace

BeastConnection::BeastConnection(std::shared_ptr<HttpConnections> home, std::unique_ptr<TlsStream> stream)
    : home_(std::move(home)), stream_(std::move(stream)) {
  home_->members.insert(this);
}

BeastConnection::~BeastConnection() {
  producer_.reset();
  home_->members.erase(this);
  home_->check_empty();
}

// Waits for the next request. While nothing comes the connection holds no buffer.
void BeastConnection::wait() {
  if (home_->draining) return close();
  if (buffer_.size() > 0 || stream_->has_pending()) return read_head();
  buffer_.shrink_to_fit();
  idle_ = true;
  arm_timer(home_->limits.idle_time);
  stream_->wait_readable([self = self()](error_code error) {
    self->idle_ = false;
    if (error) return self->drop();
    self->read_head();
  });
}

void BeastConnection::drain() {
  if (!stream_) return;
  if (producer_) return finish();
  if (lingering_ && home_->in_a_hurry) return drop();
  if (!idle_ && !in_head_) return;  // what is under way sees `draining` when it is answered
  stream_->send_close_notify();
  drop();
}

// Reading

void BeastConnection::read_head() {
  in_head_ = true;
  parser_.emplace();
  parser_->header_limit(limits::kHttpHeaderBytesMax);
  parser_->body_limit(boost::none);  // set when it is known whose body it is
  body_bytes_max_ = limits::kRequestBodyBytesMax;
  arm_timer(home_->limits.head_time);
  http::async_read_header(*stream_, buffer_, *parser_, then(&BeastConnection::on_head));
}

void BeastConnection::on_head(error_code error) {
  in_head_ = false;
  if (!stream_->is_open()) return drop();
  if (error == http::error::end_of_stream) return close();
  take_head();
  if (error) return refuse(error);
  if (parser_->get().version() == 11 && !request_.header("host")) {
    return reject(Error(Errc::argument_invalid, "The header Host is missing"));
  }
  if (home_->websocket.accept && is_websocket_path(request_)) return upgrade();
  if (parser_->is_done()) return on_body({});
  std::optional<HttpResponse> refusal = home_->handler.refuse_early(request_);
  request_.was_judged_early = true;
  if (refusal) {
    return respond(std::move(*refusal), false);
  }
  if (!home_->handler.plans_body(request_)) return begin_body();
  arm_timer(home_->limits.body_time);
  home_->handler.plan_body(request_, Reply<BodyPlan>(home_->shard, [self = self()](Result<BodyPlan> plan) {
                             self->on_body_plan(std::move(plan));
                           }));
}

void BeastConnection::on_body_plan(Result<BodyPlan> plan) {
  if (!stream_->is_open()) return;
  if (!plan) return respond(home_->handler.reject(request_, plan.error()), false);
  if (plan->refusal) return respond(std::move(*plan->refusal), false);
  sink_ = std::move(plan->sink);
  body_bytes_max_ = plan->bytes_max;
  begin_body();
}

void BeastConnection::begin_body() {
  parser_->body_limit(body_bytes_max_);  // of what comes in chunks
  const auto length = parser_->content_length();
  if (length && *length > body_bytes_max_) return refuse(http::error::body_limit);
  const bool expects = equals_ignoring_case(request_.header("expect").value_or(""), "100-continue");
  if (!expects || parser_->get().version() < 11) return read_body();
  arm_timer(home_->limits.write_time);
  asio::async_write(*stream_, asio::buffer(kContinue), then(&BeastConnection::on_continue_sent));
}

void BeastConnection::take_head() {
  const auto& message = parser_->get();
  version_ = message.version();
  request_ = HttpRequest{};
  request_.tracking_id = new_tracking_id();
  request_.peer = stream_->peer();
  request_.verb = parse_http_verb(view_of(message.method_string()));
  parse_http_target(view_of(message.target()), request_);
  for (const auto& field : message) {
    request_.headers.emplace_back(view_of(field.name_string()), view_of(field.value()));
  }
  apply_method_override(request_);
}

// The stream goes to whoever speaks what comes next; this connection is left without one and ends with its
// last step. No credentials are asked for here: they come with CONNECT [device-mqtt.md 1.2].
void BeastConnection::upgrade() {
  if (home_->draining) return reject(Errc::shutting_down);
  if (version_ < 11) return reject(Error(Errc::argument_invalid, "A WebSocket upgrade takes HTTP/1.1"));
  auto verdict = judge_websocket_upgrade(request_, home_->websocket.rules);
  if (auto* refusal = std::get_if<UpgradeRefusal>(&verdict)) {
    ++home_->counters.rejected;
    HttpResponse response = home_->handler.reject(request_, refusal->error);
    response.status = refusal->status;
    for (auto& header : refusal->headers) response.headers.push_back(std::move(header));
    return respond(std::move(response), false);
  }
  auto& wanted = std::get<WebSocketUpgrade>(verdict);
  ++home_->counters.upgraded;
  disarm_timer();
  parser_.reset();
  WsHandshake handshake{std::move(wanted.key), std::move(wanted.subprotocol),
                        beast::buffers_to_string(buffer_.data())};
  const Shard::Turn turn(home_->shard);
  home_->websocket.accept(std::move(stream_), std::move(handshake));
}

void BeastConnection::on_continue_sent(error_code error) {
  if (error) return drop();
  read_body();
}

void BeastConnection::read_body() {
  if (sink_) {
    piece_parser_.emplace(std::move(*parser_));
    parser_.reset();
    return read_piece();
  }
  arm_timer(home_->limits.body_time);
  http::async_read(*stream_, buffer_, *parser_, then(&BeastConnection::on_body));
}

void BeastConnection::on_body(error_code error) {
  disarm_timer();
  if (error) return refuse(error);
  ++home_->counters.requests;
  keep_alive_ = parser_->keep_alive();
  request_.body = std::move(parser_->get().body());
  parser_.reset();
  home_->handler.handle(request_, answer());
  request_.body.clear();
  request_.body.shrink_to_fit();
}

Reply<HttpResponse> BeastConnection::answer() {
  return {home_->shard,
          [self = self()](Result<HttpResponse> response) { self->on_response(std::move(response)); }};
}

// The limit is for each piece: a large body may take as long as it goes on.
void BeastConnection::read_piece() {
  arm_timer(home_->limits.body_time);
  piece_.resize(kPieceBytes);
  auto& body = piece_parser_->get().body();
  body.data = piece_.data();
  body.size = piece_.size();
  http::async_read(*stream_, buffer_, *piece_parser_, then(&BeastConnection::on_piece));
}

void BeastConnection::on_piece(error_code error) {
  disarm_timer();
  if (error && error != http::error::need_buffer) {
    sink_.reset();
    return refuse(error);
  }
  if (!sink_) return drop();
  piece_.resize(piece_.size() - piece_parser_->get().body().size);
  if (piece_.empty()) return on_piece_taken({});
  sink_->write(std::exchange(piece_, {}), Reply<void>(home_->shard, [self = self()](Result<void> taken) {
                 self->on_piece_taken(std::move(taken));
               }));
}

void BeastConnection::on_piece_taken(Result<void> taken) {
  if (!stream_->is_open() || !sink_) return;
  if (!taken) {
    sink_.reset();
    return respond(home_->handler.reject(request_, taken.error()), false);
  }
  if (!piece_parser_->is_done()) return read_piece();
  ++home_->counters.requests;
  keep_alive_ = piece_parser_->keep_alive();
  piece_parser_.reset();
  sink_->finish(answer());
}

void BeastConnection::refuse(error_code error) {
  std::optional<Error> reason = refusal_of(error);
  if (!reason) return drop();
  reject(*reason, error == http::error::body_limit ? 0 : kHeaderFieldsTooLarge);
}

// Answers what the handler never saw, and closes: where the next request begins is unknown.
void BeastConnection::reject(const Error& error, int too_large_status) {
  ++home_->counters.rejected;
  HttpResponse response = home_->handler.reject(request_, error);
  if (error.code == Errc::request_too_large && too_large_status != 0) response.status = too_large_status;
  respond(std::move(response), false);
}

// Answering

void BeastConnection::on_response(Result<HttpResponse> result) {
  sink_.reset();
  if (!stream_->is_open()) return;
  HttpResponse response = result ? std::move(*result) : home_->handler.reject(request_, result.error());
  if (response.hold) return hold(std::move(response));
  if (response.cut_after == 0) return drop();
  if (response.stream) return begin_stream(std::move(response));
  const bool keep_alive = keep_alive_ && !home_->draining && !response.close_connection;
  respond(std::move(response), keep_alive);
}

// The stream goes to whoever answers later; this connection is left without one and ends with this step.
void BeastConnection::hold(HttpResponse response) {
  disarm_timer();
  parser_.reset();
  auto held = std::make_unique<HeldResponse>(stream_->detach());
  stream_.reset();
  response.hold(std::move(held));
}

void BeastConnection::write_fields(const HttpResponse& response, http::response_header<>& fields) const {
  fields.version(version_);
  fields.result(static_cast<unsigned>(response.status));
  fields.set(http::field::server, "Kyanite");
  fields.set(http::field::date, to_http_date(home_->shard.wall_now()));
  if (!response.content_type.empty()) fields.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) fields.insert(name, value);
}

// An answer to HEAD says how long its body would be and has none, a refusal as well (RFC 9110 section 9.3.2).
void BeastConnection::respond(HttpResponse response, bool keep_alive) {
  keep_alive_ = keep_alive;
  message_.emplace();
  write_fields(response, *message_);
  message_->keep_alive(keep_alive);
  if (response.status != 204) message_->content_length(response.length.value_or(response.body.size()));
  if (request_.verb != HttpVerb::head) message_->body() = std::move(response.body);
  if (response.cut_after) return respond_cut(*response.cut_after);
  arm_timer(home_->limits.write_time);
  http::async_write(*stream_, *message_, then(&BeastConnection::on_answered));
}

void BeastConnection::on_answered(error_code error) {
  disarm_timer();
  message_.reset();
  if (error) return drop();
  if (!keep_alive_) return close();
  wait();
}

// Ending

// Ends our side, then reads and drops what the peer still sends: closing a socket with unread bytes would
// reset it, and the peer could lose the answer.
void BeastConnection::close() {
  arm_timer(home_->limits.linger_time);
  stream_->async_shutdown([self = self()](error_code error) {
    if (error) return self->drop();
    error_code ignored;
    self->stream_->socket().shutdown(TlsStream::Socket::shutdown_send, ignored);
    if (self->home_->in_a_hurry && self->stream_->socket().available(ignored) == 0) return self->drop();
    self->lingering_ = true;
    self->linger();
  });
}

void BeastConnection::linger() {
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

void BeastConnection::drop() {
  disarm_timer();
  producer_.reset();
  sink_.reset();
  if (stream_) stream_->close();
}

void BeastConnection::arm_timer(milliseconds limit) {
  disarm_timer();
  timer_ = home_->shard.after(limit, [weak = weak_from_this()] {
    if (const auto connection = weak.lock()) static_cast<BeastConnection&>(*connection).on_timeout();
  });
}
void BeastConnection::disarm_timer() {
  if (timer_) home_->shard.cancel(std::exchange(timer_, {}));
}
void BeastConnection::on_timeout() {
  timer_ = {};
  ++home_->counters.timed_out;
  drop();
}

void start_http_connection(std::shared_ptr<HttpConnections> home, std::unique_ptr<TlsStream> stream) {
  std::make_shared<BeastConnection>(std::move(home), std::move(stream))->wait();
}

}  // namespace kyanite
