#include <gtest/gtest.h>

#include "protocol/mqtt/decoder.h"
#include "tests/unit/mqtt/wire.h"

// What each packet means, and what the standard calls malformed (MQTT 3.1.1 section 3).
namespace kyanite::mqtt {
namespace {

using namespace std::string_literals;
using wire::bytes;
using wire::connect;
using wire::field;
using wire::number;
using wire::packet;
using wire::publish;

// The decoder stays alive so that views in the packet do.
class PacketParser : public testing::Test {
 protected:
  Packet parse(const std::string& stream) {
    stream_ = stream;
    decoder_.feed(stream_);
    auto packet = decoder_.next();
    if (!packet || !*packet) {
      ADD_FAILURE() << "no packet: " << (packet ? "incomplete" : packet.error().detail);
      return Disconnect{};
    }
    return std::move(**packet);
  }

  std::string stream_;
  Decoder decoder_;
};

// Whether the stream is refused with this code.
testing::AssertionResult refuses(const std::string& stream, Errc code = Errc::malformed_packet) {
  Decoder decoder;
  decoder.feed(stream);
  const auto packet = decoder.next();
  if (packet) return testing::AssertionFailure() << (*packet ? "a packet" : "nothing yet");
  if (packet.error().code != code) return testing::AssertionFailure() << packet.error().detail;
  return testing::AssertionSuccess();
}

TEST_F(PacketParser, reads_a_connect_with_every_field) {
  const auto parsed = parse(
      connect(0xec | 0x02, field("d1") + field("will/topic") + field("bye") + field("user") + field("pw")));
  const auto& packet = std::get<Connect>(parsed);
  EXPECT_EQ(packet.client_id, "d1");
  EXPECT_TRUE(packet.clean_session);
  EXPECT_EQ(packet.keep_alive_seconds, 60);
  ASSERT_TRUE(packet.will);
  EXPECT_EQ(packet.will->topic, "will/topic");
  EXPECT_EQ(packet.will->payload, "bye");
  EXPECT_EQ(packet.will->qos, QoS::at_least_once);
  EXPECT_TRUE(packet.will->retain);
  EXPECT_EQ(packet.username, "user");
  EXPECT_EQ(packet.password, "pw");
}

TEST_F(PacketParser, tells_an_absent_password_from_an_empty_one) {
  const auto absent = parse(connect(0x80, field("d1") + field("user")));
  EXPECT_FALSE(std::get<Connect>(absent).password);
  const auto empty = parse(connect(0xc0, field("d1") + field("user") + field("")));
  EXPECT_EQ(std::get<Connect>(empty).password, "");
}

TEST_F(PacketParser, B16_passes_a_zero_length_client_id_on) {
  const auto parsed = parse(connect(0x00, field("")));
  EXPECT_EQ(std::get<Connect>(parsed).client_id, "");
}

TEST_F(PacketParser, takes_any_bytes_as_password_and_will_payload) {
  const auto parsed =
      parse(connect(0xc4, field("d1") + field("t") + field("\xff\0"s) + field("u") + field("\0\xfe"s)));
  EXPECT_EQ(std::get<Connect>(parsed).will->payload, "\xff\0"s);
  EXPECT_EQ(std::get<Connect>(parsed).password, "\0\xfe"s);
}

TEST_F(PacketParser, B15_reports_other_protocol_levels_as_unsupported) {
  EXPECT_TRUE(std::holds_alternative<UnsupportedConnect>(parse(connect(0x02, field("d1"), "MQIsdp", 3))));
  EXPECT_TRUE(std::holds_alternative<UnsupportedConnect>(parse(connect(0x02, field("d1"), "MQTT", 3))));
  EXPECT_TRUE(
      std::holds_alternative<UnsupportedConnect>(parse(connect(0x02, bytes({0}) + field("d1"), "MQTT", 5))));
}

TEST(PacketParserRefuses, a_connect_of_another_protocol) {
  EXPECT_TRUE(refuses(connect(0x02, field("d1"), "mqtt")));
  EXPECT_TRUE(refuses(connect(0x02, field("d1"), "")));
}

TEST(PacketParserRefuses, the_reserved_connect_flag) { EXPECT_TRUE(refuses(connect(0x01, field("d1")))); }

TEST(PacketParserRefuses, will_settings_without_a_will) {
  EXPECT_TRUE(refuses(connect(0x08, field("d1"))));
  EXPECT_TRUE(refuses(connect(0x10, field("d1"))));
  EXPECT_TRUE(refuses(connect(0x20, field("d1"))));
}

TEST(PacketParserRefuses, will_qos_3) {
  EXPECT_TRUE(refuses(connect(0x1c, field("d1") + field("t") + field("p"))));
}

TEST(PacketParserRefuses, a_password_without_a_username) {
  EXPECT_TRUE(refuses(connect(0x40, field("d1") + field("pw"))));
}

TEST(PacketParserRefuses, connect_fields_that_are_cut_off) {
  const std::string whole = field("d1") + field("t") + field("p") + field("u") + field("w");
  EXPECT_FALSE(refuses(connect(0xc4, whole)));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_TRUE(refuses(connect(0xc4, whole.substr(0, length)))) << length;
  }
  EXPECT_TRUE(refuses(packet(0x10, "")));
  EXPECT_TRUE(refuses(packet(0x10, field("MQTT"))));
  EXPECT_TRUE(refuses(packet(0x10, field("MQTT") + bytes({4, 2, 0}))));
}

TEST(PacketParserRefuses, bytes_after_the_last_connect_field) {
  EXPECT_TRUE(refuses(connect(0x02, field("d1") + "x")));
}

TEST(PacketParserRefuses, connect_strings_that_are_not_utf8) {
  EXPECT_TRUE(refuses(connect(0x02, field("\xff"))));
  EXPECT_TRUE(refuses(connect(0x02, field("a\0b"s))));
  EXPECT_TRUE(refuses(connect(0x82, field("d1") + field("\xed\xa0\x80"))));
  EXPECT_TRUE(refuses(connect(0x06, field("d1") + field("\xc0\x80") + field("p"))));
}

TEST_F(PacketParser, reads_a_qos_0_publish) {
  const auto parsed = parse(publish(0x01, "a/b", "body"));
  const auto& packet = std::get<Publish>(parsed);
  EXPECT_EQ(packet.topic, "a/b");
  EXPECT_EQ(packet.payload, "body");
  EXPECT_EQ(packet.qos, QoS::at_most_once);
  EXPECT_TRUE(packet.retain);
  EXPECT_FALSE(packet.dup);
}

TEST_F(PacketParser, reads_a_qos_1_publish) {
  const auto parsed = parse(publish(0x0a, "a/b", number(0x1234) + "body"));
  const auto& packet = std::get<Publish>(parsed);
  EXPECT_EQ(packet.qos, QoS::at_least_once);
  EXPECT_TRUE(packet.dup);
  EXPECT_FALSE(packet.retain);
  EXPECT_EQ(packet.packet_id.value, 0x1234);
  EXPECT_EQ(packet.payload, "body");
}

TEST_F(PacketParser, accepts_an_empty_payload) {
  EXPECT_EQ(std::get<Publish>(parse(publish(0x00, "a"))).payload, "");
  EXPECT_EQ(std::get<Publish>(parse(publish(0x02, "a", number(1)))).payload, "");
}

TEST(PacketParserRefuses, publish_qos_3) {
  EXPECT_TRUE(refuses(publish(0x06, "a", number(1))));
  EXPECT_TRUE(refuses(publish(0x0e, "a", number(1))));
}

TEST(PacketParserRefuses, a_duplicate_of_qos_0) { EXPECT_TRUE(refuses(publish(0x08, "a"))); }

TEST(PacketParserRefuses, packet_id_0) {
  EXPECT_TRUE(refuses(publish(0x02, "a", number(0) + "body")));
  EXPECT_TRUE(refuses(packet(0x40, number(0))));
  EXPECT_TRUE(refuses(packet(0x82, number(0) + field("a") + bytes({0}))));
  EXPECT_TRUE(refuses(packet(0xa2, number(0) + field("a"))));
}

TEST(PacketParserRefuses, a_publish_that_ends_before_its_packet_id) {
  EXPECT_TRUE(refuses(publish(0x02, "a")));
  EXPECT_TRUE(refuses(publish(0x02, "a", "\1")));
}

TEST(PacketParserRefuses, an_empty_topic) {
  EXPECT_TRUE(refuses(publish(0x00, "", "body")));
  EXPECT_TRUE(refuses(packet(0x30, "")));
}

TEST(PacketParserRefuses, a_topic_that_reaches_beyond_the_packet) {
  EXPECT_TRUE(refuses(packet(0x30, number(5) + "abcd")));
  EXPECT_TRUE(refuses(packet(0x30, bytes({0}))));
}

TEST(PacketParserRefuses, B44_a_topic_with_nul_surrogates_or_broken_utf8) {
  EXPECT_TRUE(refuses(publish(0, "a\0b"s)));
  EXPECT_TRUE(refuses(publish(0, "long enough to be checked by words \0"s)));
  EXPECT_TRUE(refuses(publish(0, "long enough to be checked \xed\xbf\xbf by words")));
  EXPECT_TRUE(refuses(publish(0, "\xed\xa0\x80")));      // U+D800
  EXPECT_TRUE(refuses(publish(0, "\xc1\xbf")));          // overlong
  EXPECT_TRUE(refuses(publish(0, "\xf4\x90\x80\x80")));  // beyond U+10FFFF
  EXPECT_TRUE(refuses(publish(0, "\xe2\x82")));          // cut off
  EXPECT_TRUE(refuses(publish(0, "\x80")));
}

TEST_F(PacketParser, accepts_all_planes_of_unicode_in_a_topic) {
  const std::string topic = "caf\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x9a\x80/\xef\xbf\xbf\x7f\x01";
  EXPECT_EQ(std::get<Publish>(parse(publish(0, topic))).topic, topic);
}

TEST_F(PacketParser, reads_a_puback) {
  EXPECT_EQ(std::get<Puback>(parse(packet(0x40, number(7)))).packet_id.value, 7);
}

TEST(PacketParserRefuses, a_puback_of_another_length) {
  EXPECT_TRUE(refuses(packet(0x40, "")));
  EXPECT_TRUE(refuses(packet(0x40, "\1")));
  EXPECT_TRUE(refuses(packet(0x40, number(1) + "x")));
}

TEST_F(PacketParser, reads_a_subscribe_in_order) {
  const auto parsed = parse(packet(0x82, number(9) + field("a/#") + bytes({1}) + field("b") + bytes({2})));
  const auto& packet = std::get<Subscribe>(parsed);
  EXPECT_EQ(packet.packet_id.value, 9);
  ASSERT_EQ(packet.requests.size(), 2u);
  EXPECT_EQ(packet.requests[0].filter, "a/#");
  EXPECT_EQ(packet.requests[0].qos, QoS::at_least_once);
  EXPECT_EQ(packet.requests[1].filter, "b");
  EXPECT_EQ(packet.requests[1].qos, QoS::exactly_once);
}

TEST(PacketParserRefuses, a_malformed_subscribe) {
  EXPECT_TRUE(refuses(packet(0x82, "")));
  EXPECT_TRUE(refuses(packet(0x82, number(1))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("a"))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("a") + bytes({3}))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("a") + bytes({4}))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("a") + bytes({0x81}))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("") + bytes({0}))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("a\0"s) + bytes({0}))));
  EXPECT_TRUE(refuses(packet(0x82, number(1) + field("a") + bytes({0, 0}))));
}

TEST_F(PacketParser, reads_an_unsubscribe_in_order) {
  const auto parsed = parse(packet(0xa2, number(9) + field("a/#") + field("b")));
  const auto& packet = std::get<Unsubscribe>(parsed);
  EXPECT_EQ(packet.packet_id.value, 9);
  EXPECT_EQ(packet.filters, (std::vector<std::string_view>{"a/#", "b"}));
}

TEST(PacketParserRefuses, a_malformed_unsubscribe) {
  EXPECT_TRUE(refuses(packet(0xa2, number(1))));
  EXPECT_TRUE(refuses(packet(0xa2, number(1) + field(""))));
  EXPECT_TRUE(refuses(packet(0xa2, number(1) + number(3) + "a")));
}

TEST_F(PacketParser, reads_pings_and_disconnects) {
  EXPECT_TRUE(std::holds_alternative<Pingreq>(parse(bytes({0xc0, 0}))));
  EXPECT_TRUE(std::holds_alternative<Disconnect>(parse(bytes({0xe0, 0}))));
}

TEST(PacketParserRefuses, a_body_in_pings_and_disconnects) {
  EXPECT_TRUE(refuses(packet(0xc0, "x")));
  EXPECT_TRUE(refuses(packet(0xe0, "x")));
}

TEST(PacketParserRefuses, wrong_fixed_header_flags_at_the_first_byte) {
  for (const int type : {0x10, 0x40, 0xc0, 0xe0}) {
    for (int flags = 1; flags < 16; ++flags) EXPECT_TRUE(refuses(bytes({type | flags})));
  }
  for (const int type : {0x80, 0xa0}) {
    for (int flags = 0; flags < 16; ++flags) {
      if (flags == 2) continue;
      EXPECT_TRUE(refuses(bytes({type | flags})));
    }
  }
}

TEST(PacketParserRefuses, packets_that_only_servers_send) {
  for (const int type : {0x20, 0x90, 0xb0, 0xd0})
    EXPECT_TRUE(refuses(bytes({type}), Errc::protocol_violation));
}

TEST(PacketParserRefuses, acknowledgements_of_qos_2) {
  for (const int type : {0x50, 0x62, 0x70}) EXPECT_TRUE(refuses(bytes({type}), Errc::protocol_violation));
}

TEST(PacketParserRefuses, reserved_types_and_auth) {
  EXPECT_TRUE(refuses(bytes({0x00})));
  EXPECT_TRUE(refuses(bytes({0xf0})));
}

}  // namespace
}  // namespace kyanite::mqtt
