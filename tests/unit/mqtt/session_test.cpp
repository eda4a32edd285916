#include "protocol/mqtt/session.h"

#include <gtest/gtest.h>

#include <array>

#include "protocol/mqtt/encoder.h"
#include "tests/unit/mqtt/wire.h"

namespace kyanite::mqtt {
namespace {

using wire::bytes;

const std::string kTopic = "devices/d1/messages/events/";

std::string connect_packet() {
  std::string out;
  append_connect(out, {.client_id = "d1", .username = "hub/d1", .password = "sas"});
  return out;
}

std::string publish_packet(int id, QoS qos = QoS::at_least_once, std::string_view payload = "body") {
  std::string out;
  append_client_publish(out, kTopic, payload, qos, false, false, PacketId{static_cast<std::uint16_t>(id)});
  return out;
}

std::string puback(int id) {
  std::string out;
  append_puback(out, PacketId{static_cast<std::uint16_t>(id)});
  return out;
}

class Session : public testing::Test {
 protected:
  // The bytes live as long as the test: most tests look at views after several calls.
  void feed(std::string stream) {
    fed_.push_back(std::make_unique<std::string>(std::move(stream)));
    session_.feed(*fed_.back());
  }

  template <class Event>
  Event expect() {
    auto event = session_.next();
    if (!event || !*event || !std::holds_alternative<Event>(**event)) {
      ADD_FAILURE() << "another outcome: " << (event ? (*event ? "event" : "nothing") : event.error().detail);
      return {};
    }
    return std::get<Event>(std::move(**event));
  }

  void expect_nothing() {
    const auto event = session_.next();
    EXPECT_TRUE(event && !*event);
  }

  void expect_error(Errc code) {
    const auto event = session_.next();
    ASSERT_FALSE(event);
    EXPECT_EQ(event.error().code, code);
    EXPECT_EQ(session_.state(), SessionState::closed);
  }

  void connect() {
    feed(connect_packet());
    expect<ConnectReceived>();
    session_.accept(out_, false);
    out_.clear();
  }

  std::vector<std::unique_ptr<std::string>> fed_;
  MqttSession session_{{.connect_bytes_max = 2000,
                        .packet_bytes_max = 10000,
                        .waiting_bytes_max = 1000,
                        .unacked_publishes_max = 3,
                        .unacked_bytes_max = 5000}};
  std::string out_;
};

TEST_F(Session, gives_connect_with_strings_of_its_own) {
  std::string stream;
  append_connect(stream, {.client_id = "d1",
                          .username = "hub/d1",
                          .password = "sas",
                          .keep_alive_seconds = 240,
                          .will = Will{"wt", "wp", QoS::exactly_once, true}});
  session_.feed(stream);
  const auto connect = expect<ConnectReceived>();
  stream.assign(stream.size(), '?');
  EXPECT_EQ(connect.client_id, "d1");
  EXPECT_EQ(connect.username, "hub/d1");
  EXPECT_EQ(connect.password, "sas");
  EXPECT_EQ(connect.keep_alive_seconds, 240);
  EXPECT_FALSE(connect.clean_session);
  ASSERT_TRUE(connect.will);
  EXPECT_EQ(connect.will->topic, "wt");
  EXPECT_EQ(connect.will->payload, "wp");
  EXPECT_EQ(connect.will->qos, QoS::exactly_once);
  EXPECT_TRUE(connect.will->retain);
  EXPECT_EQ(session_.state(), SessionState::connecting);
}

TEST_F(Session, accepts_with_session_present) {
  feed(connect_packet());
  expect<ConnectReceived>();
  session_.accept(out_, true);
  EXPECT_EQ(out_, bytes({0x20, 2, 1, 0}));
  EXPECT_EQ(session_.state(), SessionState::connected);
}

TEST_F(Session, refuses_and_hears_nothing_more) {
  feed(connect_packet() + publish_packet(1));
  expect<ConnectReceived>();
  session_.refuse(out_, ConnectCode::not_authorized);
  EXPECT_EQ(out_, bytes({0x20, 2, 0, 5}));
  EXPECT_EQ(session_.state(), SessionState::closed);
  feed(publish_packet(2));
  expect_nothing();
  EXPECT_EQ(session_.buffered_bytes(), 0u);
}

TEST_F(Session, B15_reports_an_unsupported_protocol_for_a_refusal) {
  feed(wire::connect(0x02, wire::field("d1"), "MQIsdp", 3));
  expect<UnsupportedProtocol>();
  session_.refuse(out_, ConnectCode::bad_protocol_version);
  EXPECT_EQ(out_, bytes({0x20, 2, 0, 1}));
}

TEST_F(Session, B17_fails_when_the_first_packet_is_not_connect) {
  feed(publish_packet(1));
  expect_error(Errc::protocol_violation);
}

TEST_F(Session, judges_the_first_packet_by_its_first_byte) {
  feed("G");
  expect_error(Errc::protocol_violation);
}

TEST_F(Session, refuses_a_connect_that_no_client_needs_at_its_fixed_header) {
  feed(bytes({0x10, 0xd1, 0x0f}));  // 2001: one over the limit
  expect_error(Errc::packet_too_large);
}

TEST_F(Session, takes_larger_packets_once_it_has_a_connect) {
  connect();
  feed(bytes({0x30, 0xd1, 0x0f}));
  expect_nothing();
}

TEST_F(Session, B17_fails_on_a_second_connect) {
  connect();
  feed(connect_packet());
  expect_error(Errc::protocol_violation);
}

TEST_F(Session, B17_fails_on_a_second_connect_sent_before_the_answer) {
  feed(connect_packet() + connect_packet());
  expect<ConnectReceived>();
  expect_nothing();
  session_.accept(out_, false);
  expect_error(Errc::protocol_violation);
}

TEST_F(Session, keeps_packets_that_follow_connect_until_it_is_accepted) {
  {
    const std::string stream = connect_packet() + publish_packet(1);
    session_.feed(stream);
    expect<ConnectReceived>();
    EXPECT_TRUE(session_.is_withholding());
    expect_nothing();
  }
  feed(publish_packet(2));
  expect_nothing();
  session_.accept(out_, false);
  EXPECT_FALSE(session_.is_withholding());
  EXPECT_EQ(expect<PublishReceived>().payload, "body");
  EXPECT_EQ(expect<PublishReceived>().ack.value, 2u);
  expect_nothing();
}

TEST_F(Session, bounds_what_waits_for_the_answer_to_connect) {
  feed(connect_packet());
  expect<ConnectReceived>();
  feed(publish_packet(1, QoS::at_least_once, std::string(900, 'x')));
  expect_nothing();
  feed(publish_packet(2, QoS::at_least_once, std::string(900, 'x')));
  expect_error(Errc::busy);
}

TEST_F(Session, gives_publishes_in_order_with_their_fields) {
  connect();
  std::string stream;
  append_client_publish(stream, kTopic, "one", QoS::at_most_once, true, false, {});
  append_client_publish(stream, kTopic, "two", QoS::at_least_once, false, true, PacketId{7});
  feed(stream);
  const auto first = expect<PublishReceived>();
  EXPECT_EQ(first.topic, kTopic);
  EXPECT_EQ(first.payload, "one");
  EXPECT_EQ(first.qos, QoS::at_most_once);
  EXPECT_TRUE(first.retain);
  EXPECT_EQ(first.ack.value, 0u);
  const auto second = expect<PublishReceived>();
  EXPECT_EQ(second.payload, "two");
  EXPECT_EQ(second.qos, QoS::at_least_once);
  EXPECT_TRUE(second.dup);
  EXPECT_EQ(second.ack.value, 1u);
}

TEST_F(Session, B43_fails_on_a_qos_2_publish) {
  connect();
  feed(publish_packet(1, QoS::exactly_once));
  expect_error(Errc::protocol_violation);
  EXPECT_EQ(out_, "");
}

TEST_F(Session, B48_sends_pubacks_in_publish_order) {
  connect();
  feed(publish_packet(21) + publish_packet(22) + publish_packet(23));
  const auto first = expect<PublishReceived>(), second = expect<PublishReceived>(),
             third = expect<PublishReceived>();
  session_.acknowledge(out_, second.ack);
  session_.acknowledge(out_, third.ack);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(session_.unacked_publishes(), 3u);
  session_.acknowledge(out_, first.ack);
  EXPECT_EQ(out_, puback(21) + puback(22) + puback(23));
  EXPECT_EQ(session_.unacked_publishes(), 0u);
}

TEST_F(Session, withholds_packets_while_too_many_publishes_are_unacknowledged) {
  connect();
  feed(publish_packet(1) + publish_packet(2) + publish_packet(3) + publish_packet(4) + bytes({0xc0, 0}));
  const auto first = expect<PublishReceived>();
  expect<PublishReceived>();
  expect<PublishReceived>();
  EXPECT_TRUE(session_.is_withholding());
  expect_nothing();
  session_.acknowledge(out_, first.ack);
  EXPECT_FALSE(session_.is_withholding());
  expect<PublishReceived>();
  EXPECT_TRUE(session_.is_withholding());
}

TEST_F(Session, withholds_packets_while_too_many_bytes_are_unacknowledged) {
  connect();
  feed(publish_packet(1, QoS::at_least_once, std::string(6000, 'x')) + bytes({0xc0, 0}));
  const auto publish = expect<PublishReceived>();
  EXPECT_EQ(session_.unacked_bytes(), kTopic.size() + 6000);
  EXPECT_TRUE(session_.is_withholding());
  expect_nothing();
  session_.acknowledge(out_, publish.ack);
  EXPECT_EQ(session_.unacked_bytes(), 0u);
  expect<PingReceived>();
}

TEST_F(Session, gives_the_other_packets) {
  connect();
  std::string stream = puback(9) + bytes({0xc0, 0});
  append_subscribe(stream, PacketId{1}, std::array{TopicRequest{"$iothub/twin/res/#", QoS::at_least_once}});
  append_unsubscribe(stream, PacketId{2}, std::array{std::string_view("$iothub/twin/res/#")});
  feed(stream);
  EXPECT_EQ(expect<PubackReceived>().packet_id.value, 9);
  expect<PingReceived>();
  const auto subscribe = expect<SubscribeReceived>();
  EXPECT_EQ(subscribe.packet_id.value, 1);
  EXPECT_EQ(subscribe.requests.at(0).filter, "$iothub/twin/res/#");
  const auto unsubscribe = expect<UnsubscribeReceived>();
  EXPECT_EQ(unsubscribe.packet_id.value, 2);
  EXPECT_EQ(unsubscribe.filters.at(0), "$iothub/twin/res/#");
}

TEST_F(Session, closes_on_disconnect_and_ignores_what_follows) {
  connect();
  feed(bytes({0xe0, 0}) + publish_packet(1));
  expect<DisconnectReceived>();
  EXPECT_EQ(session_.state(), SessionState::closed);
  expect_nothing();
}

TEST_F(Session, ignores_acknowledgements_after_its_end) {
  connect();
  feed(publish_packet(1) + bytes({0xe0, 0}));
  const auto publish = expect<PublishReceived>();
  expect<DisconnectReceived>();
  session_.acknowledge(out_, publish.ack);
  EXPECT_EQ(out_, "");
}

TEST_F(Session, repeats_its_error) {
  connect();
  feed(bytes({0x00}));
  expect_error(Errc::malformed_packet);
  feed(publish_packet(1));
  expect_error(Errc::malformed_packet);
}

TEST_F(Session, keeps_no_buffer_when_idle) {
  connect();
  feed(publish_packet(1).substr(0, 20));
  expect_nothing();
  EXPECT_EQ(session_.buffered_bytes(), 20u);
  feed(publish_packet(1).substr(20));
  expect<PublishReceived>();
  expect_nothing();
  EXPECT_EQ(session_.buffered_bytes(), 0u);
}

TEST(ServerKeepAlive, B32_is_one_and_a_half_of_the_clients) {
  EXPECT_EQ(server_keep_alive(2), milliseconds{3000});
  EXPECT_EQ(server_keep_alive(1), milliseconds{1500});
  EXPECT_EQ(server_keep_alive(240), milliseconds{360000});
  EXPECT_EQ(server_keep_alive(1177), milliseconds{1765500});
}

TEST(ServerKeepAlive, B33_is_the_cap_for_0_and_for_more_than_the_cap) {
  EXPECT_EQ(server_keep_alive(0), seconds{1767});
  EXPECT_EQ(server_keep_alive(1178), seconds{1767});
  EXPECT_EQ(server_keep_alive(1179), seconds{1767});
  EXPECT_EQ(server_keep_alive(65535), seconds{1767});
}

TEST(ServerKeepAlive, takes_another_cap) {
  EXPECT_EQ(server_keep_alive(0, seconds{4}), seconds{4});
  EXPECT_EQ(server_keep_alive(10, seconds{4}), seconds{4});
  EXPECT_EQ(server_keep_alive(2, seconds{4}), seconds{3});
}

}  // namespace
}  // namespace kyanite::mqtt
