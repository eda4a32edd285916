#include <gtest/gtest.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http.hpp>

#include "tests/unit/net/net_fixture.h"

namespace kyanite::test {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

static_assert(beast::is_async_stream<TlsStream>::value);
static_assert(beast::has_get_executor<TlsStream>::value);

// Answers every request with its own body until the peer leaves; owns itself through its pending operation.
class HttpEcho : public std::enable_shared_from_this<HttpEcho> {
 public:
  explicit HttpEcho(std::unique_ptr<TlsStream> stream) : stream_(std::move(stream)) {}
  void read() {
    request_ = {};
    http::async_read(*stream_, buffer_, request_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->finish();
      self->answer();
    });
  }

 private:
  void answer() {
    response_ = {http::status::ok, 11};
    response_.body() = request_.body();
    response_.keep_alive(request_.keep_alive());
    response_.prepare_payload();
    http::async_write(*stream_, response_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error || !self->response_.keep_alive()) return self->finish();
      self->read();
    });
  }
  void finish() {
    stream_->async_shutdown([self = shared_from_this()](error_code) { self->stream_->close(); });
  }

  std::unique_ptr<TlsStream> stream_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

TEST(TlsStreamUnderBeast, serves_requests_on_a_kept_connection_and_ends_it_orderly) {
  TestServer server(TlsContextSettings{}, [](Shard&, std::unique_ptr<TlsStream> stream) {
    std::make_shared<HttpEcho>(std::move(stream))->read();
  });
  TlsTestClient client(server.port());
  ASSERT_TRUE(client.connected());
  const std::string large = pattern(300'000);
  ASSERT_TRUE(client.write("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + large));
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
  EXPECT_EQ(client.read_exactly(head.size()), head);
  EXPECT_TRUE(client.read_exactly(large.size()) == large);
  ASSERT_TRUE(
      client.write("POST /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"));
  std::string last;
  EXPECT_TRUE(client.read_close_notify(&last));
  EXPECT_EQ(last, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
}

// One line read and written back with Asio's own composed operations.
class LineEcho : public std::enable_shared_from_this<LineEcho> {
 public:
  LineEcho(std::unique_ptr<TlsStream> stream, error_code& last) : stream_(std::move(stream)), last_(last) {}
  void read() {
    boost::asio::async_read_until(*stream_, buffer_, '\n',
                                  [self = shared_from_this()](error_code error, std::size_t size) {
                                    self->last_ = error;
                                    if (!error) self->write(size);
                                  });
  }

 private:
  void write(std::size_t size) {
    boost::asio::async_write(*stream_, boost::asio::buffer(buffer_.data(), size),
                             [self = shared_from_this(), size](error_code, std::size_t) {
                               self->buffer_.consume(size);
                               self->read();
                             });
  }

  std::unique_ptr<TlsStream> stream_;
  boost::asio::streambuf buffer_;
  error_code& last_;
};

TEST(TlsStreamUnderBeast, asio_reads_until_and_sees_the_end_of_the_stream) {
  error_code last;
  TestServer server(
      TlsContextSettings{},
      [&](Shard&, std::unique_ptr<TlsStream> stream) {
        std::make_shared<LineEcho>(std::move(stream), last)->read();
      },
      patient(), 1);
  TlsTestClient client(server.port());
  ASSERT_TRUE(client.write("one\ntwo\n"));
  EXPECT_EQ(client.read_exactly(8), "one\ntwo\n");
  client.shutdown();
  EXPECT_TRUE(eventually([&] {
    error_code seen;
    run_on(server.shards.shard(0), [&] { seen = last; });
    return seen == boost::asio::error::eof;
  }));
}

TEST(TlsStreamUnderBeast, close_aborts_a_pending_read) {
  error_code last;
  TlsStream* open = nullptr;
  TestServer server(
      TlsContextSettings{},
      [&](Shard&, std::unique_ptr<TlsStream> stream) {
        open = stream.get();
        std::make_shared<LineEcho>(std::move(stream), last)->read();
      },
      patient(), 1);
  TlsTestClient client(server.port());
  Shard& shard = server.shards.shard(0);
  ASSERT_TRUE(eventually([&] {
    bool there = false;
    run_on(shard, [&] { there = open != nullptr; });
    return there;
  }));
  run_on(shard, [&] { open->close(); });
  run_on(shard, [] {});
  EXPECT_TRUE(eventually([&] {
    error_code seen;
    run_on(shard, [&] { seen = last; });
    return seen == boost::asio::error::operation_aborted;
  }));
}

}  // namespace
}  // namespace kyanite::test
