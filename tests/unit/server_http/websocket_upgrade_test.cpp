#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server_http/websocket_fixture.h"

namespace kyanite::test {
namespace {

using testing::HasSubstr;

using WebSocketUpgradeTest = WebSocketTest;

TEST_F(WebSocketUpgradeTest, B3_the_answer_has_the_key_of_the_rfc_and_the_sub_protocol) {
  serve_websockets();
  WebSocketClient client(connect());
  RawResponse answer = client.upgrade();
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 section 1.3
  EXPECT_EQ(answer.headers["sec-websocket-protocol"], "mqtt");
  EXPECT_EQ(answer.headers["server"], "Kyanite");
  EXPECT_EQ(answer.headers.count("sec-websocket-extensions"), 0U);
}

TEST_F(WebSocketUpgradeTest, B4_capitals_a_query_and_an_escaped_dollar_are_as_good) {
  serve_websockets();
  for (const char* target : {"/$iothub/websocket?iothub-no-client-cert=true", "/%24iothub/websocket"}) {
    WebSocketClient client(connect());
    RawResponse answer = client.upgrade(ws::upgrade(target, "MQTT"));
    EXPECT_EQ(answer.status, 101) << target;
    EXPECT_EQ(answer.headers["sec-websocket-protocol"], "MQTT");
  }
}

TEST_F(WebSocketUpgradeTest, no_sub_protocol_offered_means_none_named) {
  serve_websockets();
  WebSocketClient client(connect());
  RawResponse answer = client.upgrade(ws::upgrade("/$iothub/websocket", ""));
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers.count("sec-websocket-protocol"), 0U);
}

TEST_F(WebSocketUpgradeTest, the_strict_rule_wants_a_sub_protocol) {
  serve_websockets({.require_subprotocol = true});
  WebSocketClient client(connect());
  EXPECT_EQ(client.upgrade(ws::upgrade("/$iothub/websocket", "")).status, 400);
}

TEST_F(WebSocketUpgradeTest, a_foreign_sub_protocol_is_refused_by_name) {
  serve_websockets();
  RawClient client = connect();
  client.send(ws::upgrade("/$iothub/websocket", "wamp"));
  const RawResponse answer = client.receive();
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("wamp"));
  EXPECT_TRUE(client.ended_cleanly());
}

TEST_F(WebSocketUpgradeTest, compression_is_not_agreed) {
  serve_websockets();
  WebSocketClient client(connect());
  RawResponse answer = client.upgrade(
      ws::upgrade("/$iothub/websocket", "mqtt", "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers.count("sec-websocket-extensions"), 0U);
}

TEST_F(WebSocketUpgradeTest, a_plain_get_is_told_to_upgrade) {
  serve_websockets();
  RawClient client = connect();
  client.send("GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\n\r\n");
  RawResponse answer = client.receive();
  EXPECT_EQ(answer.status, 426);
  EXPECT_EQ(answer.headers["upgrade"], "websocket");
  EXPECT_EQ(answer.headers["sec-websocket-version"], "13");
  EXPECT_THAT(answer.headers["connection"], HasSubstr("Upgrade"));
}

TEST_F(WebSocketUpgradeTest, other_verbs_get_405) {
  serve_websockets();
  RawClient client = connect();
  client.send("POST /$iothub/websocket HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
  RawResponse answer = client.receive();
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers["allow"], "GET");
}

TEST_F(WebSocketUpgradeTest, http_1_0_cannot_upgrade) {
  serve_websockets();
  RawClient client = connect();
  std::string head = ws::upgrade();
  head.replace(head.find("HTTP/1.1"), 8, "HTTP/1.0");
  client.send(head);
  EXPECT_EQ(client.receive().status, 400);
}

TEST_F(WebSocketUpgradeTest, other_paths_stay_requests) {
  serve_websockets();
  RawClient client = connect();
  client.send(ws::upgrade("/$iothub/elsewhere"));
  EXPECT_EQ(client.receive().status, 200) << "the scripted handler answers, not the WebSocket";
}

TEST_F(WebSocketUpgradeTest, requests_may_come_before_it_on_the_same_connection) {
  serve_websockets();
  WebSocketClient client(connect());
  client.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.raw().receive().body, "GET /first ");
  EXPECT_EQ(client.upgrade().status, 101);
  client.send(ws::frame(ws::kBinary, "hello"));
  EXPECT_EQ(received(5), "hello");
}

TEST_F(WebSocketUpgradeTest, an_upgraded_connection_leaves_the_places_of_http) {
  serve_websockets({}, {.connections_max = 1});
  WebSocketClient first = open();
  EXPECT_TRUE(all_gone());
  WebSocketClient second = open();
  first.send(ws::frame(ws::kBinary, "one"));
  second.send(ws::frame(ws::kBinary, "two"));
  EXPECT_EQ(received(3, 0), "one");
  EXPECT_EQ(received(3, 1), "two");
  EXPECT_EQ(on_shard([this] { return http_->counters().upgraded; }), 2U);
}

TEST_F(WebSocketUpgradeTest, the_time_limits_of_http_end_with_it) {
  serve_websockets({}, {.idle_time = milliseconds(100), .head_time = milliseconds(100)});
  const auto timed_out = [this] { return on_shard([this] { return http_->counters().timed_out; }); };
  std::optional<WebSocketClient> client;
  bool upgraded = false;
  // An upgrade that comes too late meets the limits.
  for (int round = 0; round < 100 && !upgraded; ++round) {
    client.emplace(connect());
    upgraded = client->upgrade().status == 101;
  }
  ASSERT_TRUE(upgraded);
  const std::uint64_t before = timed_out();
  std::this_thread::sleep_for(milliseconds(300));  // what is tested is that nothing happens
  client->send(ws::frame(ws::kBinary, "late"));
  EXPECT_EQ(received(4), "late");
  EXPECT_EQ(timed_out(), before);
}

TEST_F(WebSocketUpgradeTest, draining_http_leaves_websockets_alone_and_takes_no_more) {
  serve_websockets({}, only(&HttpLimits::linger_time, milliseconds(100)));  // `half` does not close its end
  WebSocketClient before = open();
  RawClient half = connect();
  half.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(half.receive().status, 200);
  std::promise<void> drained;
  on_shard([&] { http_->drain([&] { drained.set_value(); }); });
  EXPECT_EQ(drained.get_future().wait_for(seconds(60)), std::future_status::ready);
  half.send(ws::upgrade());
  EXPECT_NE(half.receive().status, 101);
  before.send(ws::frame(ws::kBinary, "still here"));
  EXPECT_EQ(received(10), "still here");
}

TEST_F(WebSocketUpgradeTest, the_peer_is_known_to_the_channel) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  const PeerInfo info = on_shard([&] { return of.channel->peer(); });
  EXPECT_EQ(info.address, "127.0.0.1");
  EXPECT_EQ(info.transport, PeerTransport::websocket);
  EXPECT_FALSE(info.tls_version.empty());
}

}  // namespace
}  // namespace kyanite::test
