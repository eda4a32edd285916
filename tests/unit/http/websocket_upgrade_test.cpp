#include "protocol/http/websocket_upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kyanite {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

// An upgrade as a client sends it, to be changed by the test.
HttpRequest good_request() {
  HttpRequest request;
  request.verb = HttpVerb::get;
  parse_http_target("/$iothub/websocket", request);
  request.headers = {{"host", "hub.test"},
                     {"upgrade", "websocket"},
                     {"connection", "Upgrade"},
                     {"sec-websocket-version", "13"},
                     {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                     {"sec-websocket-protocol", "mqtt"}};
  return request;
}

void set(HttpRequest& request, const std::string& name, const std::string& value) {
  for (auto& header : request.headers) {
    if (header.first == name) header.second = value;
  }
}
void drop(HttpRequest& request, const std::string& name) {
  std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
}

std::string chosen(const HttpRequest& request, const WebSocketRules& rules = {}) {
  const auto verdict = judge_websocket_upgrade(request, rules);
  const auto* upgrade = std::get_if<WebSocketUpgrade>(&verdict);
  return upgrade ? upgrade->subprotocol : "refused: " + std::get<UpgradeRefusal>(verdict).error.detail;
}
UpgradeRefusal refusal(const HttpRequest& request, const WebSocketRules& rules = {}) {
  const auto verdict = judge_websocket_upgrade(request, rules);
  const auto* found = std::get_if<UpgradeRefusal>(&verdict);
  EXPECT_TRUE(found) << "accepted";
  return found ? *found : UpgradeRefusal{0, {}, {}};
}

bool is_path(std::string_view target) {
  HttpRequest request;
  parse_http_target(target, request);
  return is_websocket_path(request);
}

TEST(WebSocketPath, is_known_escaped_or_not_and_with_any_query) {
  EXPECT_TRUE(is_path("/$iothub/websocket"));
  EXPECT_TRUE(is_path("/%24iothub/websocket"));
  EXPECT_TRUE(is_path("/$iothub/websocket?iothub-no-client-cert=true"));
  EXPECT_TRUE(is_path("/%24iothub/websocket?x"));
}

TEST(WebSocketPath, is_compared_with_case_and_as_a_whole) {
  for (const char* target : {"/$IotHub/websocket", "/$iothub/WebSocket", "/$iothub", "/websocket", "/",
                             "/$iothub/websocket/x", "/iothub/websocket", "/%2524iothub/websocket"}) {
    EXPECT_FALSE(is_path(target)) << target;
  }
}

TEST(WebSocketUpgrade, B3_the_sub_protocol_mqtt_is_chosen_and_the_key_kept) {
  const auto verdict = judge_websocket_upgrade(good_request(), {});
  const auto* upgrade = std::get_if<WebSocketUpgrade>(&verdict);
  ASSERT_TRUE(upgrade);
  EXPECT_EQ(upgrade->subprotocol, "mqtt");
  EXPECT_EQ(upgrade->key, "dGhlIHNhbXBsZSBub25jZQ==");
}

TEST(WebSocketUpgrade, B4_the_sub_protocol_is_echoed_in_the_letters_it_was_offered_in) {
  for (const char* offered : {"MQTT", "Mqtt", "mQtT"}) {
    HttpRequest request = good_request();
    set(request, "sec-websocket-protocol", offered);
    EXPECT_EQ(chosen(request), offered);
  }
}

TEST(WebSocketUpgrade, the_first_mqtt_among_several_is_chosen) {
  HttpRequest request = good_request();
  set(request, "sec-websocket-protocol", "wamp, ,mqttv3.1 ,\tMQTT , mqtt");
  EXPECT_EQ(chosen(request), "MQTT");
}

TEST(WebSocketUpgrade, sub_protocols_may_come_in_several_lines) {
  HttpRequest request = good_request();
  set(request, "sec-websocket-protocol", "wamp");
  request.headers.emplace_back("sec-websocket-protocol", "mqtt");
  EXPECT_EQ(chosen(request), "mqtt");
}

TEST(WebSocketUpgrade, B4_amqp_is_chosen_by_both_of_its_names_and_echoed_as_offered) {
  for (const char* offered : {"AMQPWSB10", "amqp", "amqpwsb10"}) {
    HttpRequest request = good_request();
    set(request, "sec-websocket-protocol", offered);
    EXPECT_EQ(chosen(request), offered);
    EXPECT_TRUE(is_amqp_subprotocol(offered));
    request.segments = {"$servicebus", "websocket", ""};
    EXPECT_TRUE(is_websocket_path(request));
    EXPECT_EQ(chosen(request), offered);
  }
  EXPECT_FALSE(is_amqp_subprotocol("mqtt"));
}

TEST(WebSocketUpgrade, the_path_of_amqp_alone_takes_nothing_else) {
  for (const char* offered : {"mqtt", "wamp", ""}) {
    HttpRequest request = good_request();
    request.segments = {"$servicebus", "websocket"};
    set(request, "sec-websocket-protocol", offered);
    EXPECT_THAT(refusal(request).error.detail, HasSubstr("AMQPWSB10")) << offered;
  }
}

TEST(WebSocketUpgrade, without_a_sub_protocol_none_is_echoed) {
  HttpRequest request = good_request();
  drop(request, "sec-websocket-protocol");
  EXPECT_EQ(chosen(request), "");
}

TEST(WebSocketUpgrade, without_a_sub_protocol_the_strict_rule_refuses) {
  HttpRequest request = good_request();
  drop(request, "sec-websocket-protocol");
  EXPECT_EQ(refusal(request, {.require_subprotocol = true}).status, 400);
  EXPECT_EQ(chosen(good_request(), {.require_subprotocol = true}), "mqtt");
}

TEST(WebSocketUpgrade, sub_protocols_of_others_are_refused_by_name) {
  HttpRequest request = good_request();
  set(request, "sec-websocket-protocol", "wamp, mqttv3.1");
  const UpgradeRefusal refused = refusal(request);
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.error.detail, HasSubstr("wamp, mqttv3.1"));
}

TEST(WebSocketUpgrade, a_plain_get_and_a_foreign_version_learn_what_to_ask_for) {
  HttpRequest plain = good_request();
  drop(plain, "upgrade");
  drop(plain, "connection");
  HttpRequest old = good_request();
  set(old, "sec-websocket-version", "8");
  HttpRequest none = good_request();
  drop(none, "sec-websocket-version");
  for (const HttpRequest& request : {plain, old, none}) {
    const UpgradeRefusal refused = refusal(request);
    EXPECT_EQ(refused.status, 426);
    EXPECT_THAT(refused.headers, Contains(Pair("Upgrade", "websocket")));
    EXPECT_THAT(refused.headers, Contains(Pair("Sec-WebSocket-Version", "13")));
  }
}

TEST(WebSocketUpgrade, header_tokens_are_read_in_any_case_and_among_others) {
  HttpRequest request = good_request();
  set(request, "upgrade", "WebSocket");
  set(request, "connection", "keep-alive, upgrade");
  EXPECT_EQ(chosen(request), "mqtt");
}

TEST(WebSocketUpgrade, half_an_upgrade_is_a_bad_request) {
  for (const char* name : {"upgrade", "connection", "sec-websocket-key"}) {
    HttpRequest request = good_request();
    drop(request, name);
    EXPECT_EQ(refusal(request).status, 400) << name;
  }
  HttpRequest other = good_request();
  set(other, "upgrade", "h2c");
  EXPECT_EQ(refusal(other).status, 400);
}

TEST(WebSocketUpgrade, a_key_must_be_sixteen_bytes_in_base64) {
  for (const char* key :
       {"", "nonsense", "dGhlIHNhbXBsZSBub25jZQ", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZTE3Kw=="}) {
    HttpRequest request = good_request();
    set(request, "sec-websocket-key", key);
    EXPECT_EQ(refusal(request).status, 400) << key;
  }
}

TEST(WebSocketUpgrade, a_body_has_no_place_in_it) {
  HttpRequest sized = good_request();
  sized.headers.emplace_back("content-length", "5");
  EXPECT_EQ(refusal(sized).status, 400);
  HttpRequest chunked = good_request();
  chunked.headers.emplace_back("transfer-encoding", "chunked");
  EXPECT_EQ(refusal(chunked).status, 400);
  HttpRequest empty = good_request();
  empty.headers.emplace_back("content-length", "0");
  EXPECT_EQ(chosen(empty), "mqtt");
}

TEST(WebSocketUpgrade, other_verbs_are_not_allowed) {
  for (const HttpVerb verb : {HttpVerb::post, HttpVerb::put, HttpVerb::head, HttpVerb::other}) {
    HttpRequest request = good_request();
    request.verb = verb;
    const UpgradeRefusal refused = refusal(request);
    EXPECT_EQ(refused.status, 405);
    EXPECT_THAT(refused.headers, Contains(Pair("Allow", "GET")));
  }
}

}  // namespace
}  // namespace kyanite
