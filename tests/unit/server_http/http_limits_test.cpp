#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "tests/unit/server_http/http_fixture.h"

namespace kyanite::test {
namespace {

using ::testing::HasSubstr;

class HttpLimitsTest : public HttpTest {
 protected:
  RawResponse ask(RawClient& client, std::string_view bytes) {
    client.send(bytes);
    return client.receive();
  }
};

TEST_F(HttpLimitsTest, R13_a_declared_body_over_the_limit_is_413_and_closes_cleanly) {
  serve();
  RawClient client = connect();
  RawResponse response = ask(client, "PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\nabc");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.headers["iothub-errorcode"], "GenericRequestEntityTooLarge");
  EXPECT_TRUE(response.complete);
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(HttpLimitsTest, R13_the_answer_can_be_read_after_sending_all_of_a_body_over_the_limit) {
  serve();
  RawClient client = connect();
  client.send("PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
  ASSERT_TRUE(client.send(std::string(4'000'000, 'x')));
  EXPECT_EQ(client.receive().status, 413);
}

TEST_F(HttpLimitsTest, R13_a_chunked_body_over_the_limit_is_413) {
  serve();
  RawClient client = connect();
  client.send("PUT /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "40000\r\n" + std::string(0x40000, 'x') + "\r\n";
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.send(chunk));
  EXPECT_EQ(client.receive().status, 413);
}

TEST_F(HttpLimitsTest, a_body_of_exactly_the_limit_is_taken) {
  handler_.on_handle = [](const HttpRequest& request, Reply<HttpResponse> reply) {
    HttpResponse response;
    response.body = std::to_string(request.body.size());
    reply(std::move(response));
  };
  serve();
  RawClient client = connect();
  client.send("PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
  ASSERT_TRUE(client.send(std::string(limits::kRequestBodyBytesMax, 'x')));
  EXPECT_EQ(client.receive().body, "1048576");
}

TEST_F(HttpLimitsTest, a_head_over_the_limit_is_431) {
  serve();
  RawClient client = connect();
  RawResponse response =
      ask(client, "GET /d HTTP/1.1\r\nHost: h\r\nX-Long: " + std::string(limits::kHttpHeaderBytesMax, 'x') +
                      "\r\n\r\n");
  EXPECT_EQ(response.status, 431);
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(HttpLimitsTest, a_head_without_end_is_431) {
  serve();
  RawClient client = connect();
  client.send("GET /d HTTP/1.1\r\nHost: h\r\n");
  std::string lines;
  for (int i = 0; i < 10000; ++i) lines += "X-" + std::to_string(i) + ": y\r\n";
  client.send(lines);
  EXPECT_EQ(client.receive().status, 431);
}

TEST_F(HttpLimitsTest, a_head_of_30_kilobytes_is_taken) {
  serve();
  RawClient client = connect();
  const std::string long_value(30 * 1024, 'x');
  EXPECT_EQ(ask(client, "GET /d HTTP/1.1\r\nHost: h\r\nX-Long: " + long_value + "\r\n\r\n").status, 200);
}

TEST_F(HttpLimitsTest, bytes_that_are_not_http_get_400_with_an_envelope_and_the_end) {
  serve();
  for (const std::string_view bytes :
       {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET /d HTTP/2.0\r\nHost: h\r\n\r\n",
        "GET /d d HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /d HTTP/1.1\r\nno colon\r\n\r\n", "PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        "PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    RawClient client = connect();
    RawResponse response = ask(client, bytes);
    EXPECT_EQ(response.status, 400) << bytes;
    EXPECT_THAT(response.body, HasSubstr("ErrorCode:ArgumentInvalid;")) << bytes;
    EXPECT_EQ(response.headers["connection"], "close") << bytes;
    EXPECT_TRUE(client.ended_cleanly()) << bytes;
  }
}

TEST_F(HttpLimitsTest, http_1_1_without_host_is_400) {
  serve();
  RawClient client = connect();
  EXPECT_EQ(ask(client, "GET /d HTTP/1.1\r\n\r\n").status, 400);
}

TEST_F(HttpLimitsTest, a_head_that_does_not_end_in_time_is_cut) {
  serve(only(&HttpLimits::head_time, milliseconds(100)));
  RawClient client = connect();
  client.send("GET /d HT");
  EXPECT_EQ(client.receive().status, 0);
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(on_shard([this] { return http_->counters().timed_out; }), 1u);
}

TEST_F(HttpLimitsTest, a_body_that_does_not_end_in_time_is_cut_before_the_handler_sees_it) {
  serve(only(&HttpLimits::body_time, milliseconds(100)));
  RawClient client = connect();
  client.send("PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(client.receive().status, 0);
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(on_shard([this] { return http_->counters().requests; }), 0u);
}

TEST_F(HttpLimitsTest, a_body_cut_in_half_by_the_peer_reaches_no_handler) {
  serve();
  {
    RawClient client = connect();
    client.send("PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  }
  EXPECT_TRUE(eventually([this] { return http_->counters().accepted == 1; }));
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(on_shard([this] { return http_->counters().requests; }), 0u);
}

TEST_F(HttpLimitsTest, an_idle_connection_is_closed_after_its_time) {
  serve(only(&HttpLimits::idle_time, milliseconds(100)));
  bool answered = false;
  // A request that comes too late finds its connection closed already.
  for (int round = 0; round < 100 && !answered; ++round) {
    RawClient client = connect();
    answered = ask(client, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n").status == 200;
    EXPECT_EQ(client.read_some(), "");
    EXPECT_TRUE(all_gone());
  }
  EXPECT_TRUE(answered);
}

TEST_F(HttpLimitsTest, connections_over_the_bound_are_closed_and_counted) {
  serve({.connections_max = 2});
  RawClient one = connect();
  RawClient two = connect();
  ASSERT_TRUE(eventually([this] { return http_->connection_count() == 2; }));
  RawClient three = connect();
  EXPECT_EQ(three.read_some(), "");
  EXPECT_EQ(on_shard([this] { return http_->counters().refused_full; }), 1u);
  EXPECT_EQ(ask(one, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(HttpLimitsTest, a_peer_that_does_not_read_its_answer_is_cut) {
  handler_.on_handle = [](const HttpRequest&, Reply<HttpResponse> reply) {
    HttpResponse response;
    response.body.assign(32 * 1024 * 1024, 'x');
    reply(std::move(response));
  };
  serve(only(&HttpLimits::write_time, milliseconds(200)));
  RawClient client = connect();
  client.send("GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([this] { return http_->counters().timed_out == 1; }));
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpLimitsTest, a_peer_that_never_ends_its_side_is_cut_after_the_lingering_time) {
  serve(only(&HttpLimits::linger_time, milliseconds(100)));
  RawClient client = connect();
  EXPECT_EQ(ask(client, "GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").status, 200);
  EXPECT_TRUE(all_gone());
}

}  // namespace
}  // namespace kyanite::test
