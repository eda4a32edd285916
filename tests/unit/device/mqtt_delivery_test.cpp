#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "protocol/mqtt/encoder.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using mqtt::QoS;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;
using Packets = std::vector<std::string>;

const std::string kTopic = "devices/d1/messages/devicebound/%24.to=x";

// d1 is connected, and its owner's messages are made here. The owner itself has other tests.
class DeviceMqttDelivery : public testing::Test {
 protected:
  DeviceMqttDelivery() { EXPECT_EQ(client.connect(), Packets{"CONNACK 0"}); }

  Packets tell(ConnectionMessage message) {
    hub.router().send(ref, std::move(message));
    hub.loop.run();
    return client.packets();
  }
  Packets send_c2d(std::uint64_t sequence, std::string body = "x", std::uint8_t qos = 1,
                   bool was_sent = false) {
    return tell(DeliverC2d{sequence, kTopic, std::move(body), qos, was_sent});
  }

  SimHub hub;
  SimDevice client{hub, hub.add(device("d1"))};
  // The first connection of the first shard.
  ConnectionRef ref{ShardIndex{0}, 0, 1};
};

// Cloud-to-device messages

TEST_F(DeviceMqttDelivery, a_message_goes_out_with_qos_1_and_a_packet_id) {
  EXPECT_EQ(send_c2d(70, "hello"), Packets{"PUBLISH q1 id=1 " + kTopic + " hello"});
  EXPECT_EQ(send_c2d(71, "world"), Packets{"PUBLISH q1 id=2 " + kTopic + " world"});
}

TEST_F(DeviceMqttDelivery, a_message_sent_before_is_marked_as_a_repetition) {
  EXPECT_EQ(send_c2d(70, "x", 1, true), Packets{"PUBLISH q1 id=1 dup " + kTopic + " x"});
}

TEST_F(DeviceMqttDelivery, a_message_that_waits_for_its_puback_is_repeated_with_the_same_packet_id) {
  send_c2d(70);
  send_c2d(71);
  EXPECT_EQ(send_c2d(70), Packets{"PUBLISH q1 id=1 dup " + kTopic + " x"});
  client.puback(1);
  EXPECT_EQ(send_c2d(72), Packets{"PUBLISH q1 id=3 " + kTopic + " x"});
}

TEST_F(DeviceMqttDelivery, a_puback_of_nothing_is_ignored) {
  EXPECT_THAT(client.puback(9), IsEmpty());
  send_c2d(70);
  EXPECT_THAT(client.puback(9), IsEmpty());
  client.puback(1);
  EXPECT_THAT(client.puback(1), IsEmpty());
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttDelivery, a_withdrawn_message_comes_again_as_a_new_one) {
  send_c2d(70);
  EXPECT_THAT(tell(WithdrawC2d{70}), IsEmpty());
  EXPECT_EQ(send_c2d(70), Packets{"PUBLISH q1 id=2 " + kTopic + " x"});
}

TEST_F(DeviceMqttDelivery, with_qos_0_nothing_waits_for_an_acknowledgement) {
  EXPECT_EQ(send_c2d(70, "x", 0), Packets{"PUBLISH q0 " + kTopic + " x"});
  EXPECT_EQ(send_c2d(70, "x", 0, true), Packets{"PUBLISH q0 " + kTopic + " x"});
}

TEST_F(DeviceMqttDelivery, a_message_with_qos_0_that_waits_to_be_written_is_not_sent_twice) {
  const std::string body(limits::kOutputHighBytes, 'x');
  client.link().stall();
  send_c2d(70, body, 0);
  send_c2d(70, body, 0, true);  // its lock has ended
  client.link().unstall();
  hub.loop.run();
  EXPECT_EQ(client.packets(), Packets{"PUBLISH q0 " + kTopic + " " + body});
}

TEST_F(DeviceMqttDelivery, a_puback_counts_as_activity) {
  hub.loop.advance(seconds(5));
  const WallTime before = hub.loop.wall_now();
  client.puback(1);
  EXPECT_GE(hub.get(device("d1"))->last_activity, before);
}

// Notifications and calls

TEST_F(DeviceMqttDelivery, a_change_of_desired_properties_is_sent_with_its_version) {
  EXPECT_EQ(tell(NotifyDesired{8, "{\"x\":1,\"$version\":8}"}),
            Packets{"PUBLISH q0 $iothub/twin/PATCH/properties/desired/?$version=8 {\"x\":1,\"$version\":8}"});
}

TEST_F(DeviceMqttDelivery, B70_a_method_call_ends_with_its_request_id) {
  EXPECT_EQ(tell(CallMethod{"1f", "reboot", "{\"a\":1}"}),
            Packets{"PUBLISH q0 $iothub/methods/POST/reboot/?$rid=1f {\"a\":1}"});
}

TEST_F(DeviceMqttDelivery, a_method_name_is_encoded_where_a_topic_needs_it) {
  EXPECT_EQ(tell(CallMethod{"1f", "a/b+c#", ""}),
            Packets{"PUBLISH q0 $iothub/methods/POST/a%2Fb%2Bc%23/?$rid=1f "});
}

TEST_F(DeviceMqttDelivery, R111_the_star_between_component_and_command_stays_one) {
  EXPECT_EQ(tell(CallMethod{"1f", "a/b*c*", ""}),
            Packets{"PUBLISH q0 $iothub/methods/POST/a%2Fb*c*/?$rid=1f "});
}

TEST_F(DeviceMqttDelivery, method_answers_are_acknowledged_whether_asked_for_or_not) {
  tell(CallMethod{"1f", "reboot", ""});
  EXPECT_EQ(client.publish("$iothub/methods/res/200/?$rid=1f", "{}", QoS::at_least_once, PacketId{3}),
            Packets{"PUBACK 3"});
  EXPECT_EQ(client.publish("$iothub/methods/res/200/?$rid=1f", "{}", QoS::at_least_once, PacketId{4}),
            Packets{"PUBACK 4"});
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttDelivery, B76_a_method_answer_whose_status_is_no_number_closes) {
  tell(CallMethod{"1f", "reboot", ""});
  EXPECT_THAT(client.publish("$iothub/methods/res/abc/?$rid=1f", "{}", QoS::at_least_once, PacketId{3}),
              IsEmpty());
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttDelivery, calls_that_are_never_answered_stay_bounded) {
  for (std::size_t i = 0; i < limits::kMethodCallsMax + 10; ++i) {
    tell(CallMethod{std::to_string(i), "m", ""});
  }
  EXPECT_FALSE(client.closed());
}

// Back-pressure

TEST_F(DeviceMqttDelivery, what_the_owner_sends_stops_the_reading_of_a_peer_that_does_not_read) {
  client.link().stall();
  tell(NotifyDesired{2, std::string(limits::kOutputHighBytes, 'x')});
  EXPECT_FALSE(client.link().hub_is_reading());
  client.link().unstall();
  hub.loop.run();
  EXPECT_TRUE(client.link().hub_is_reading());
  EXPECT_THAT(client.packets(), SizeIs(1));
}

TEST_F(DeviceMqttDelivery, a_peer_that_does_not_read_what_it_is_sent_is_closed_and_loses_nothing_in_silence) {
  hub.observer.take();
  client.link().stall();
  for (std::uint64_t version = 2; !client.closed() && version < 100; ++version) {
    tell(NotifyDesired{version, std::string(32 * 1024, 'x')});
  }
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.observer.take(), ElementsAre("disconnected d1 slow_consumer"));
}

TEST_F(DeviceMqttDelivery, pings_beyond_the_output_mark_wait_until_the_peer_reads) {
  client.link().stall();
  std::string bytes;
  constexpr std::size_t kPings = limits::kOutputHighBytes;  // two bytes an answer
  for (std::size_t i = 0; i < kPings; ++i) mqtt::append_pingreq(bytes);
  EXPECT_THAT(client.send(bytes), IsEmpty());
  EXPECT_FALSE(client.link().hub_is_reading());
  EXPECT_FALSE(client.closed());
  client.link().unstall();
  hub.loop.run();
  EXPECT_THAT(client.packets(), SizeIs(kPings));
  EXPECT_TRUE(client.link().hub_is_reading());
}

TEST_F(DeviceMqttDelivery, many_answers_of_one_turn_leave_in_order_without_a_stall) {
  std::string bytes;
  constexpr std::size_t kPings = limits::kOutputHighBytes;
  for (std::size_t i = 0; i < kPings; ++i) mqtt::append_pingreq(bytes);
  mqtt::append_subscribe(bytes, PacketId{5}, std::vector<mqtt::TopicRequest>{{"$iothub/twin/res/#", {}}});
  const Packets answers = client.send(bytes);
  ASSERT_THAT(answers, SizeIs(kPings + 1));
  EXPECT_EQ(answers.back(), "SUBACK 5 [0]");
}

TEST_F(DeviceMqttDelivery, a_disconnect_behind_held_packets_still_counts_when_the_peer_leaves) {
  hub.observer.take();
  client.link().stall();
  std::string bytes;
  for (std::size_t i = 0; i < limits::kOutputHighBytes; ++i) mqtt::append_pingreq(bytes);
  mqtt::append_disconnect(bytes);
  client.link().send(bytes);
  client.link().close_gracefully();
  hub.loop.run();
  EXPECT_THAT(hub.observer.take(), ElementsAre("disconnected d1 device_disconnected"));
}

TEST_F(DeviceMqttDelivery, messages_for_a_connection_that_ended_are_dropped) {
  client.drop();
  EXPECT_THAT(send_c2d(70), IsEmpty());
}

}  // namespace
}  // namespace kyanite::test
