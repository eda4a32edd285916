#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "protocol/base/limits.h"
#include "server/http/http_connection.h"

namespace kyanite {

// The connection as a chain of steps; each ends in one asynchronous operation whose end is the next step.
// beast_connection.cpp has the requests and their whole answers, beast_streaming.cpp the answers in pieces.
class BeastConnection final : public HttpConnection, private ResponseStream::Output {
 public:
  BeastConnection(std::shared_ptr<HttpConnections> home, std::unique_ptr<TlsStream> stream);
  ~BeastConnection() override;

  // Waits for the next request. While nothing comes the connection holds no buffer.
  void wait();

  void drain() override;
  void cut() override { drop(); }

 private:
  using error_code = boost::system::error_code;
  enum class End { open, finished, aborted };

  // Beast parses in place, so the buffer must hold a whole head, and reads ahead into what is left.
  static constexpr std::size_t kBufferBytesMax = 2 * limits::kHttpHeaderBytesMax;

  // Of a body that goes to a sink; one at a time is in memory.
  static constexpr std::size_t kPieceBytes = 64 * 1024;

  std::shared_ptr<BeastConnection> self() {
    return std::static_pointer_cast<BeastConnection>(shared_from_this());
  }
  auto then(void (BeastConnection::*step)(error_code)) {
    return [self = self(), step](error_code error, std::size_t) { ((*self).*step)(error); };
  }

  // Reading
  void read_head();
  void on_head(error_code error);
  void take_head();
  void upgrade();
  void on_continue_sent(error_code error);
  void on_body_plan(Result<BodyPlan> plan);
  void begin_body();
  void read_body();
  void on_body(error_code error);
  void read_piece();
  void on_piece(error_code error);
  void on_piece_taken(Result<void> taken);
  Reply<HttpResponse> answer();
  void refuse(error_code error);
  void reject(const Error& error, int too_large_status = 0);

  // Answering. The fields are those of a response in pieces as well: version, status and headers.
  void on_response(Result<HttpResponse> result);
  void hold(HttpResponse response);
  void write_fields(const HttpResponse& response, boost::beast::http::response_header<>& fields) const;
  void respond(HttpResponse response, bool keep_alive);
  void respond_cut(std::uint64_t bytes);
  void on_answered(error_code error);

  // Streaming
  void begin_stream(HttpResponse response);
  void limit_unacknowledged();
  void watch_peer();
  void write(std::string piece) override;
  std::size_t queued_bytes() const override;
  void finish() override;
  void abort() override;
  void send_queued();
  void on_piece_sent(error_code error);
  void send_end();
  void on_stream_ended(error_code error);

  // Ending
  void close();
  void linger();
  void drop();

  // One limit at a time. When it passes everything pending ends with an error, and the connection with it.
  void arm_timer(milliseconds limit);
  void disarm_timer();
  void on_timeout();

  const std::shared_ptr<HttpConnections> home_;
  std::unique_ptr<TlsStream> stream_;  // null once it went to a WebSocket or is held
  TimerId timer_{};
  bool idle_ = false;     // between two requests
  bool in_head_ = false;  // a head has begun and is not complete
  bool lingering_ = false;

  // The request under way.
  boost::beast::flat_buffer buffer_{kBufferBytesMax};
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  HttpRequest request_;
  std::uint64_t body_bytes_max_ = limits::kRequestBodyBytesMax;
  // The same when the body goes to a sink.
  std::optional<boost::beast::http::request_parser<boost::beast::http::buffer_body>> piece_parser_;
  std::unique_ptr<RequestBodySink> sink_;
  std::string piece_;
  bool keep_alive_ = true;
  unsigned version_ = 11;

  // Its response: whole, or in pieces.
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> message_;
  std::optional<boost::beast::http::response<boost::beast::http::empty_body>> head_;
  std::optional<boost::beast::http::response_serializer<boost::beast::http::empty_body>> head_serializer_;
  std::unique_ptr<ResponseStream> producer_;
  bool chunked_ = false;
  bool writing_ = false;
  End end_ = End::open;
  std::string queued_;
  std::string in_flight_;
  std::optional<std::uint64_t> cut_left_;  // of a stream that a fault cuts

  std::size_t lingered_bytes_ = 0;
};

}  // namespace kyanite
