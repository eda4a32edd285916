#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/unit/server_http/http_fixture.h"

namespace kyanite::test {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kGet = "GET /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: h\r\n\r\n";

class HttpConnectionTest : public HttpTest {};

TEST_F(HttpConnectionTest, answers_with_the_headers_every_response_has) {
  serve();
  RawClient client = connect();
  ASSERT_TRUE(client.send(kGet));
  RawResponse response = client.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "GET /devices/d1 ");
  EXPECT_EQ(response.headers["content-type"], "application/json; charset=utf-8");
  EXPECT_THAT(response.headers["date"], HasSubstr(" GMT"));
  EXPECT_EQ(response.headers["server"], "Kyanite");
  EXPECT_EQ(response.headers.count("connection"), 0u);
}

TEST_F(HttpConnectionTest, gives_each_request_a_tracking_id_of_its_own) {
  std::vector<std::string> ids;
  handler_.on_handle = [&](const HttpRequest& request, Reply<HttpResponse> reply) {
    ids.push_back(request.tracking_id);
    reply(HttpResponse{});
  };
  serve();
  RawClient client = connect();
  client.send(kGet);
  client.receive();
  client.send(kGet);
  client.receive();
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0].size(), 32u);
  EXPECT_NE(ids[0], ids[1]);
}

TEST_F(HttpConnectionTest, R1_a_percent_encoded_path_reaches_the_handler_decoded) {
  std::vector<std::string> segments;
  handler_.on_handle = [&](const HttpRequest& request, Reply<HttpResponse> reply) {
    segments = request.segments;
    reply(HttpResponse{});
  };
  serve();
  RawClient client = connect();
  client.send("GET /devices%2Fd1?api-version=2021-04-12 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_EQ(segments, (std::vector<std::string>{"devices", "d1"}));
}

TEST_F(HttpConnectionTest, R4_a_lone_percent_sign_in_the_path_is_taken_literally) {
  std::vector<std::string> segments;
  handler_.on_handle = [&](const HttpRequest& request, Reply<HttpResponse> reply) {
    segments = request.segments;
    reply(HttpResponse{});
  };
  serve();
  RawClient client = connect();
  client.send("GET /devices/50% HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_EQ(segments, (std::vector<std::string>{"devices", "50%"}));
}

TEST_F(HttpConnectionTest, R6_a_post_with_the_override_header_is_a_patch) {
  serve();
  RawClient client = connect();
  client.send(
      "POST /twins/d1 HTTP/1.1\r\nHost: h\r\nX-HTTP-Method-Override: PATCH\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(client.receive().body, "PATCH /twins/d1 {}");
}

TEST_F(HttpConnectionTest, R11_a_chunked_body_arrives_joined) {
  serve();
  RawClient client = connect();
  client.send(
      "PUT /devices/d2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body, "PUT /devices/d2 {\"a\":1}");
}

TEST_F(HttpConnectionTest, R11_expect_gets_an_interim_100_and_then_the_answer) {
  serve();
  RawClient client = connect();
  client.send("PUT /devices/d2 HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("{}");
  RawResponse response = client.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "PUT /devices/d2 {}");
}

TEST_F(HttpConnectionTest, R12_a_204_has_neither_body_nor_content_length) {
  handler_.on_handle = [](const HttpRequest&, Reply<HttpResponse> reply) {
    HttpResponse response;
    response.status = 204;
    response.content_type.clear();
    reply(std::move(response));
  };
  serve();
  RawClient client = connect();
  client.send("DELETE /devices/d1 HTTP/1.1\r\nHost: h\r\n\r\n");
  RawResponse response = client.receive();
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers.count("content-length"), 0u);
  EXPECT_EQ(response.headers.count("content-type"), 0u);
  client.send(kGet);
  EXPECT_EQ(client.receive().status, 204);
}

TEST_F(HttpConnectionTest, an_early_refusal_comes_instead_of_100_and_closes_cleanly) {
  handler_.on_refuse_early = [](const HttpRequest& head) {
    return std::optional(error_response(Errc::unauthorized, head.tracking_id, "t"));
  };
  serve();
  RawClient client = connect();
  client.send("PUT /devices/d2 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  RawResponse response = client.receive();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(HttpConnectionTest, a_refusal_of_head_has_no_body) {
  handler_.on_refuse_early = [](const HttpRequest& head) {
    return std::optional(error_response(Errc::unauthorized, head.tracking_id, "t"));
  };
  serve();
  // Refused early, since a body is announced, and as a request that is none.
  for (const char* request : {"HEAD /devices/d2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n",
                              "HEAD /devices/d2 HTTP/1.1\r\n\r\n"}) {
    RawClient client = connect();
    client.send(request);
    RawResponse response = client.receive(true);
    EXPECT_GE(response.status, 400) << request;
    EXPECT_NE(response.headers["content-length"], "0") << request;
    EXPECT_EQ(client.read_some(), "") << request;
    EXPECT_TRUE(client.ended_cleanly()) << request;
  }
}

TEST_F(HttpConnectionTest, a_refused_caller_that_sends_its_whole_body_still_reads_the_answer) {
  handler_.on_refuse_early = [](const HttpRequest& head) {
    return std::optional(error_response(Errc::unauthorized, head.tracking_id, "t"));
  };
  serve();
  RawClient client = connect();
  client.send("PUT /devices/d2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_TRUE(client.send(std::string(1'000'000, 'x')));
  EXPECT_EQ(client.receive().status, 401);
}

TEST_F(HttpConnectionTest, requests_on_one_connection_are_answered_one_after_the_other) {
  serve();
  RawClient client = connect();
  for (int i = 0; i < 20; ++i) {
    client.send("GET /n/" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(client.receive().body, "GET /n/" + std::to_string(i) + " ");
  }
}

TEST_F(HttpConnectionTest, pipelined_requests_are_answered_in_order) {
  serve();
  RawClient client = connect();
  std::string burst;
  for (int i = 0; i < 500; ++i) {
    burst += "PUT /n/" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
  }
  ASSERT_TRUE(client.send(burst));
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(client.receive().body, "PUT /n/" + std::to_string(i) + " {}");
  }
}

TEST_F(HttpConnectionTest, the_next_pipelined_request_waits_for_the_answer_to_the_first) {
  std::vector<Reply<HttpResponse>> held;
  handler_.on_handle = [&](const HttpRequest&, Reply<HttpResponse> reply) {
    held.push_back(std::move(reply));
  };
  serve();
  RawClient client = connect();
  client.send(std::string(kGet) + std::string(kGet));
  ASSERT_TRUE(eventually([&] { return held.size() == 1; }));
  on_shard([&] { held[0](HttpResponse{}); });
  EXPECT_EQ(client.receive().status, 200);
  ASSERT_TRUE(eventually([&] { return held.size() == 2; }));
  EXPECT_EQ(on_shard([&] { return http_->counters().requests; }), 2u);
  on_shard([&] { held.clear(); });
}

TEST_F(HttpConnectionTest, bytes_that_come_one_by_one_make_a_request) {
  serve();
  RawClient client = connect();
  for (const char c : std::string("PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")) {
    ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  }
  EXPECT_EQ(client.receive().body, "PUT /d abc");
}

TEST_F(HttpConnectionTest, connection_close_is_honoured) {
  serve();
  RawClient client = connect();
  client.send("GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  RawResponse response = client.receive();
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_TRUE(client.ended_cleanly());
  client.disconnect();
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpConnectionTest, http_1_0_closes_after_the_answer_unless_it_asks_to_stay) {
  serve();
  RawClient client = connect();
  client.send("GET /d HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.ended_cleanly());
  RawClient staying = connect();
  staying.send("GET /d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(staying.receive().headers["connection"], "keep-alive");
  staying.send("GET /d HTTP/1.0\r\n\r\n");
  EXPECT_EQ(staying.receive().status, 200);
}

TEST_F(HttpConnectionTest, head_is_answered_without_a_body) {
  serve();
  RawClient client = connect();
  client.send("HEAD /d HTTP/1.1\r\nHost: h\r\n\r\n");
  RawResponse response = client.receive(true);
  EXPECT_EQ(response.headers["content-length"], "8");
  client.send(kGet);
  EXPECT_EQ(client.receive().status, 200);
}

TEST_F(HttpConnectionTest, a_reply_dropped_unanswered_is_an_internal_error) {
  handler_.on_handle = [](const HttpRequest&, Reply<HttpResponse>) {};
  serve();
  RawClient client = connect();
  client.send(kGet);
  RawResponse response = client.receive();
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.headers["iothub-errorcode"], "ServerError");
}

TEST_F(HttpConnectionTest, a_peer_that_goes_before_its_answer_harms_nothing) {
  Reply<HttpResponse> held;
  handler_.on_handle = [&](const HttpRequest&, Reply<HttpResponse> reply) { held = std::move(reply); };
  serve();
  {
    RawClient client = connect();
    client.send(kGet);
    ASSERT_TRUE(eventually([&] { return static_cast<bool>(held); }));
  }
  on_shard([&] { held(HttpResponse{}); });
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpConnectionTest, a_thousand_connections_are_kept_alive) {
  constexpr rlim_t kNeeded = 2'600;  // both ends, and what a listener leaves to others
  rlimit descriptors{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  if (descriptors.rlim_max < kNeeded) GTEST_SKIP() << "this machine allows too few descriptors";
  descriptors.rlim_cur = std::max(descriptors.rlim_cur, kNeeded);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  serve();
  std::vector<RawClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().connected()) << i;
  }
  for (int round = 0; round < 2; ++round) {
    for (RawClient& client : clients) ASSERT_TRUE(client.send(kGet));
    for (RawClient& client : clients) ASSERT_EQ(client.receive().status, 200);
  }
  EXPECT_EQ(on_shard([this] { return http_->connection_count(); }), 1000u);
  clients.clear();
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpConnectionTest, draining_closes_idle_connections_and_finishes_the_request_under_way) {
  Reply<HttpResponse> held;
  handler_.on_handle = [&](const HttpRequest&, Reply<HttpResponse> reply) { held = std::move(reply); };
  serve();
  RawClient idle = connect();
  RawClient busy = connect();
  busy.send(kGet);
  ASSERT_TRUE(eventually([&] { return static_cast<bool>(held) && http_->connection_count() == 2; }));
  bool drained = false;
  on_shard([&] { http_->drain([&] { drained = true; }); });
  EXPECT_TRUE(idle.ended_cleanly());
  EXPECT_FALSE(on_shard([&] { return drained; }));
  on_shard([&] { held(HttpResponse{}); });
  RawResponse response = busy.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["connection"], "close");
  busy.disconnect();
  EXPECT_TRUE(eventually([&] { return drained; }));
}

TEST_F(HttpConnectionTest, an_http_1_0_peer_is_refused_in_its_own_version) {
  handler_.on_refuse_early = [](const HttpRequest& head) {
    return std::optional(error_response(Errc::unauthorized, head.tracking_id, "t"));
  };
  serve();
  RawClient client = connect();
  client.send("PUT /devices/d2 HTTP/1.0\r\nContent-Length: 2\r\n\r\n");
  const RawResponse response = client.receive();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.version, "HTTP/1.0");
}

TEST_F(HttpConnectionTest, draining_does_not_wait_for_the_rest_of_a_head) {
  serve();
  RawClient client = connect();
  client.send(kGet);
  client.receive();
  ASSERT_TRUE(client.send("G"));
  // Nothing tells when the byte was taken; by the time a later request has been answered it was.
  RawClient other = connect();
  other.send("GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(other.receive().complete);
  other.disconnect();
  bool drained = false;
  on_shard([&] { http_->drain([&] { drained = true; }); });
  EXPECT_TRUE(eventually([&] { return drained; }));
}

}  // namespace
}  // namespace kyanite::test
