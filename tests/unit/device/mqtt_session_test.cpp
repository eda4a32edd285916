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
using testing::StartsWith;
using Packets = std::vector<std::string>;

const Packets kNew{"CONNACK 0"};
const Packets kPresent{"CONNACK 0 present"};
constexpr std::string_view kResponses = "$iothub/twin/res/#";
constexpr std::string_view kGet = "$iothub/twin/GET/?$rid=1";

const std::string kAnswer = "PUBLISH q0 $iothub/twin/res/";

// What outlives a connection of d1, and what gates SUBACK.
class DeviceMqttSession : public testing::Test {
 protected:
  Packets get(SimDevice& client) { return client.publish(kGet, "", QoS::at_most_once); }

  SimHub hub;
  IdentityRecord d1 = hub.add(device("d1"));
};

TEST_F(DeviceMqttSession, B35_subscriptions_outlive_the_connection) {
  SimDevice first(hub, d1);
  ASSERT_EQ(first.connect(), kNew);
  ASSERT_EQ(first.subscribe({{kResponses, QoS::at_least_once}}), Packets{"SUBACK 1 [1]"});
  first.disconnect();
  SimDevice second(hub, d1, 1);
  ASSERT_EQ(second.connect(), kPresent);
  EXPECT_THAT(get(second), ElementsAre(StartsWith(kAnswer)));
}

TEST_F(DeviceMqttSession, B36_a_clean_session_forgets_them_for_good) {
  SimDevice first(hub, d1);
  first.connect();
  first.subscribe({{kResponses, QoS::at_least_once}});
  first.disconnect();
  SimDevice clean(hub, d1);
  ASSERT_EQ(clean.connect({.clean_session = true}), kNew);
  EXPECT_THAT(get(clean), IsEmpty());
  clean.subscribe({{kResponses, QoS::at_least_once}});
  EXPECT_THAT(get(clean), ElementsAre(StartsWith(kAnswer)));
  clean.disconnect();
  SimDevice later(hub, d1);
  EXPECT_EQ(later.connect(), kNew);
}

TEST_F(DeviceMqttSession, an_unsubscribed_filter_does_not_come_back) {
  SimDevice first(hub, d1);
  first.connect();
  first.subscribe({{kResponses, QoS::at_least_once}});
  EXPECT_EQ(first.unsubscribe({kResponses}, 4), Packets{"UNSUBACK 4"});
  first.drop();
  SimDevice second(hub, d1);
  EXPECT_EQ(second.connect(), kNew);
  EXPECT_THAT(get(second), IsEmpty());
}

TEST_F(DeviceMqttSession, suback_waits_for_the_store) {
  SimDevice client(hub, d1);
  client.connect();
  hub.stores.faults.hold_commits = true;
  EXPECT_THAT(client.subscribe({{kResponses, QoS::at_least_once}}, 2), IsEmpty());
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_EQ(client.packets(), Packets{"SUBACK 2 [1]"});
}

TEST_F(DeviceMqttSession, a_clean_session_subscribes_without_the_store) {
  SimDevice client(hub, d1);
  client.connect({.clean_session = true});
  hub.stores.faults.hold_commits = true;
  EXPECT_EQ(client.subscribe({{kResponses, QoS::at_least_once}}, 2), Packets{"SUBACK 2 [1]"});
  hub.stores.release_commits();
}

TEST_F(DeviceMqttSession, subscriptions_in_flight_are_answered_in_order) {
  SimDevice client(hub, d1);
  client.connect();
  hub.stores.faults.hold_commits = true;
  std::string bytes;
  mqtt::append_subscribe(bytes, PacketId{1},
                         std::vector<mqtt::TopicRequest>{{kResponses, QoS::at_most_once}});
  mqtt::append_subscribe(bytes, PacketId{2},
                         std::vector<mqtt::TopicRequest>{{"$iothub/methods/POST/#", QoS::at_least_once}});
  mqtt::append_unsubscribe(bytes, PacketId{3}, std::vector<std::string_view>{"$iothub/methods/POST/#"});
  EXPECT_THAT(client.send(bytes), IsEmpty());
  hub.stores.release_commits();
  hub.stores.faults.hold_commits = false;
  hub.loop.run();
  EXPECT_THAT(client.packets(), ElementsAre("SUBACK 1 [0]", "SUBACK 2 [1]", "UNSUBACK 3"));
}

TEST_F(DeviceMqttSession, a_request_right_behind_its_subscribe_is_answered) {
  SimDevice client(hub, d1);
  client.connect();
  std::string bytes;
  mqtt::append_subscribe(bytes, PacketId{1},
                         std::vector<mqtt::TopicRequest>{{kResponses, QoS::at_most_once}});
  mqtt::append_client_publish(bytes, kGet, "", QoS::at_most_once, false, false, PacketId{});
  EXPECT_THAT(client.send(bytes), ElementsAre("SUBACK 1 [0]", StartsWith(kAnswer)));
}

TEST_F(DeviceMqttSession, a_subscription_that_cannot_be_stored_ends_the_connection) {
  SimDevice client(hub, d1);
  client.connect();
  hub.observer.take();
  hub.stores.faults.fail_commit = 2;  // the first one created the device
  EXPECT_THAT(client.subscribe({{kResponses, QoS::at_least_once}}), IsEmpty());
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.observer.take(), ElementsAre("disconnected d1 hub_unavailable"));
}

TEST_F(DeviceMqttSession, an_unsubscribe_of_nothing_known_does_not_wait_for_the_store) {
  SimDevice client(hub, d1);
  client.connect();
  hub.stores.faults.hold_commits = true;
  EXPECT_EQ(client.unsubscribe({"never/seen"}, 6), Packets{"UNSUBACK 6"});
  hub.stores.release_commits();
}

TEST_F(DeviceMqttSession, packets_wait_while_too_many_subscriptions_are_at_the_owner) {
  SimDevice client(hub, d1);
  client.connect();
  hub.stores.faults.hold_commits = true;
  std::string bytes;
  const std::size_t count = limits::kDeviceRequestsMax + 40;
  for (std::size_t i = 1; i <= count; ++i) {
    // Each differs from the one before, so that each is written.
    mqtt::append_subscribe(
        bytes, PacketId{static_cast<std::uint16_t>(i)},
        std::vector<mqtt::TopicRequest>{{kResponses, i % 2 == 0 ? QoS::at_most_once : QoS::at_least_once}});
  }
  client.send(bytes);
  EXPECT_FALSE(client.link().hub_is_reading());
  hub.stores.release_commits();
  hub.stores.faults.hold_commits = false;
  hub.loop.run();
  EXPECT_EQ(client.packets().size(), count);
  EXPECT_TRUE(client.link().hub_is_reading());
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttSession, a_module_keeps_its_own_session) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  SimDevice first(hub, m1);
  first.connect();
  EXPECT_EQ(first.subscribe({{"devices/d1/modules/m1/messages/devicebound/#", QoS::at_least_once}}),
            Packets{"SUBACK 1 [1]"});
  first.drop();
  SimDevice of_device(hub, d1);
  EXPECT_EQ(of_device.connect(), kNew);
  SimDevice second(hub, m1);
  EXPECT_EQ(second.connect(), kPresent);
}

}  // namespace
}  // namespace kyanite::test
