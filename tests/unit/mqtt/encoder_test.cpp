#include "protocol/mqtt/encoder.h"

#include <gtest/gtest.h>

#include <array>

#include "protocol/mqtt/decoder.h"
#include "tests/unit/mqtt/wire.h"

namespace kyanite::mqtt {
namespace {

using wire::bytes;
using wire::field;
using wire::number;

TEST(Encoder, writes_connack) {
  std::string out;
  append_connack(out, true, ConnectCode::accepted);
  append_connack(out, false, ConnectCode::accepted);
  append_connack(out, false, ConnectCode::not_authorized);
  EXPECT_EQ(out, bytes({0x20, 2, 1, 0, 0x20, 2, 0, 0, 0x20, 2, 0, 5}));
}

TEST(Encoder, never_claims_a_session_with_a_refusal) {
  std::string out;
  append_connack(out, true, ConnectCode::server_unavailable);
  EXPECT_EQ(out, bytes({0x20, 2, 0, 3}));
}

TEST(Encoder, writes_acknowledgements) {
  std::string out;
  append_puback(out, PacketId{0x1234});
  append_unsuback(out, PacketId{5});
  append_pingresp(out);
  EXPECT_EQ(out, bytes({0x40, 2, 0x12, 0x34, 0xb0, 2, 0, 5, 0xd0, 0}));
}

TEST(Encoder, writes_suback_codes_in_order) {
  std::string out;
  append_suback(out, PacketId{10}, std::array<std::uint8_t, 4>{0, 1, kSubackFailure, 1});
  EXPECT_EQ(out, bytes({0x90, 6, 0, 10, 0, 1, 0x80, 1}));
}

TEST(Encoder, writes_publish_without_an_id_at_qos_0) {
  std::string out;
  append_publish(out, "a/b", "xy", QoS::at_most_once, /*dup=*/true, PacketId{9});
  EXPECT_EQ(out, bytes({0x30, 7}) + field("a/b") + "xy");
}

TEST(Encoder, writes_publish_with_its_id_and_dup_at_qos_1) {
  std::string out;
  append_publish(out, "a/b", "xy", QoS::at_least_once, /*dup=*/true, PacketId{9});
  EXPECT_EQ(out, bytes({0x3a, 9}) + field("a/b") + number(9) + "xy");
}

TEST(Encoder, writes_remaining_lengths_in_groups_of_seven_bits) {
  const auto header = [](std::size_t remaining) {
    std::string out;
    append_publish(out, "t", std::string(remaining - 3, 'x'), QoS::at_most_once, false, {});
    return out.substr(0, out.find('t') - 2);
  };
  EXPECT_EQ(header(127), bytes({0x30, 0x7f}));
  EXPECT_EQ(header(128), bytes({0x30, 0x80, 0x01}));
  EXPECT_EQ(header(16383), bytes({0x30, 0xff, 0x7f}));
  EXPECT_EQ(header(16384), bytes({0x30, 0x80, 0x80, 0x01}));
}

TEST(Encoder, writes_connects_that_the_decoder_reads_back) {
  std::string out;
  append_connect(out, {.client_id = "d1",
                       .username = "hub/d1",
                       .password = "sas",
                       .keep_alive_seconds = 240,
                       .clean_session = true,
                       .will = Will{"t", "p", QoS::at_least_once, true}});
  Decoder decoder;
  decoder.feed(out);
  const auto packet = decoder.next();
  const auto& connect = std::get<Connect>(packet->value());
  EXPECT_EQ(connect.client_id, "d1");
  EXPECT_EQ(connect.username, "hub/d1");
  EXPECT_EQ(connect.password, "sas");
  EXPECT_EQ(connect.keep_alive_seconds, 240);
  EXPECT_TRUE(connect.clean_session);
  EXPECT_EQ(connect.will->topic, "t");
  EXPECT_EQ(connect.will->payload, "p");
  EXPECT_EQ(connect.will->qos, QoS::at_least_once);
  EXPECT_TRUE(connect.will->retain);
}

TEST(Encoder, leaves_out_an_empty_username_and_password) {
  std::string out;
  append_connect(out, {.client_id = "d1", .username = "", .password = ""});
  EXPECT_EQ(out, wire::connect(0x00, field("d1")));
}

TEST(Encoder, writes_subscribe_unsubscribe_ping_and_disconnect) {
  std::string out;
  append_subscribe(out, PacketId{1}, std::array{TopicRequest{"a/#", QoS::at_least_once}});
  append_unsubscribe(out, PacketId{2}, std::array{std::string_view("a/#"), std::string_view("b")});
  append_pingreq(out);
  append_disconnect(out);
  EXPECT_EQ(out, bytes({0x82, 8}) + number(1) + field("a/#") + bytes({1, 0xa2, 10}) + number(2) +
                     field("a/#") + field("b") + bytes({0xc0, 0, 0xe0, 0}));
}

}  // namespace
}  // namespace kyanite::mqtt
