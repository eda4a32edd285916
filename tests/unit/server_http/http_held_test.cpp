#include "tests/unit/server_http/http_fixture.h"

namespace kyanite::test {
namespace {

constexpr std::string_view kPost = "POST /kyanite/v1/reset HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";

class HttpHeldTest : public HttpTest {
 protected:
  // A request whose connection the test holds; the shard has none any more.
  std::unique_ptr<HeldConnection> hold(RawClient& client) {
    std::promise<std::unique_ptr<HeldConnection>> taken;
    handler_.on_handle = [&taken](const HttpRequest&, Reply<HttpResponse> reply) {
      HttpResponse response;
      response.hold = [&taken](std::unique_ptr<HeldConnection> held) { taken.set_value(std::move(held)); };
      reply(std::move(response));
    };
    client.send(kPost);
    auto held = taken.get_future().get();
    EXPECT_TRUE(all_gone());
    return held;
  }
};

TEST_F(HttpHeldTest, a_connection_is_answered_when_its_shard_has_ended) {
  serve();
  RawClient client = connect();
  const auto held = hold(client);
  listener_->stop();
  shards_.stop();
  shards_.join();
  http_.reset();
  listener_.reset();
  HttpResponse answer;
  answer.status = 409;
  answer.headers.emplace_back("x-ms-request-id", "abc");
  answer.body = "{}";
  held->answer(std::move(answer));
  RawResponse response = client.receive();
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.headers["x-ms-request-id"], "abc");
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(response.headers["content-type"], "application/json; charset=utf-8");
  EXPECT_EQ(response.body, "{}");
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(HttpHeldTest, one_that_nobody_answers_is_closed) {
  serve();
  RawClient client = connect();
  hold(client).reset();
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(HttpHeldTest, a_peer_that_is_gone_does_no_harm) {
  serve();
  std::unique_ptr<HeldConnection> held;
  {
    RawClient client = connect();
    held = hold(client);
  }
  held->answer(HttpResponse{});
}

}  // namespace
}  // namespace kyanite::test
