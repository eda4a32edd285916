#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::IsEmpty;
using Packets = std::vector<std::string>;

// Faults that a test asks for, at connections: nothing that was acknowledged is lost by one.
class DeviceMqttFaults : public testing::Test {
 protected:
  static SimHub::Options under_test_control() {
    SimHub::Options options;
    options.settings.test_control = true;
    return options;
  }
  FaultView add(FaultRule rule) {
    return hub.ask<FaultView>([&](Reply<FaultView> reply) { hub.faults().add(rule, std::move(reply)); })
        .value();
  }
  FaultRule rule(FaultKind kind) {
    FaultRule rule;
    rule.kind = kind;
    rule.scope.device = "d1";
    return rule;
  }
  FaultRule drop(FaultMoment moment) {
    FaultRule rule = this->rule(FaultKind::drop);
    rule.moment = moment;
    return rule;
  }
  std::vector<std::string> bodies() {
    std::vector<std::string> all;
    for (const TelemetryRecord& record : hub.telemetry()) all.push_back(record.body);
    return all;
  }

  SimHub hub{under_test_control()};
  IdentityRecord d1 = hub.add(device("d1"));
  IdentityRecord d2 = hub.add(device("d2"));
};

TEST_F(DeviceMqttFaults, a_drop_ends_what_is_connected_once_and_nobody_else) {
  SimDevice one(hub, d1), two(hub, d2, 1);
  one.connect();
  two.connect();
  EXPECT_EQ(add(drop(FaultMoment::now)).hits, 1u);
  EXPECT_TRUE(one.closed());
  EXPECT_FALSE(two.closed());
  EXPECT_THAT(hub.observer.take(), Contains("disconnected d1 fault"));
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
}

TEST_F(DeviceMqttFaults, a_connect_is_refused_so_often_and_then_no_more) {
  FaultRule refusal = rule(FaultKind::refuse_connect);
  refusal.connack_code = 2;
  refusal.count = 2;
  add(refusal);
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 2"});
  EXPECT_EQ(SimDevice::try_connect(hub, d2), Packets{"CONNACK 0"});
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 2"});
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
}

TEST_F(DeviceMqttFaults, a_refused_connect_leaves_the_older_connection) {
  SimDevice older(hub, d1);
  older.connect();
  add(rule(FaultKind::refuse_connect));
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 3"});
  EXPECT_EQ(older.ping(), Packets{"PINGRESP"});
}

TEST_F(DeviceMqttFaults, a_lost_puback_is_of_a_message_that_is_stored_and_those_behind_it_go_on) {
  FaultRule loss = rule(FaultKind::lose_puback);
  loss.nth = 2;
  loss.count = 1;
  add(loss);
  SimDevice client(hub, d1);
  client.connect();
  EXPECT_EQ(client.telemetry("", "a", 1), Packets{"PUBACK 1"});
  EXPECT_THAT(client.telemetry("", "b", 2), IsEmpty());
  EXPECT_EQ(client.telemetry("", "c", 3), Packets{"PUBACK 3"});
  EXPECT_EQ(bodies(), (Packets{"a", "b", "c"}));
}

TEST_F(DeviceMqttFaults, held_pubacks_leave_in_order_when_the_rule_ends) {
  FaultRule hold = rule(FaultKind::hold_pubacks);
  hold.duration = 5s;
  add(hold);
  SimDevice client(hub, d1);
  client.connect();
  EXPECT_THAT(client.telemetry("", "a", 1), IsEmpty());
  EXPECT_THAT(client.telemetry("", "b", 2), IsEmpty());
  EXPECT_EQ(bodies(), (Packets{"a", "b"})) << "held, not lost";
  EXPECT_EQ(client.ping(), Packets{"PINGRESP"});
  hub.loop.advance(5100ms);
  EXPECT_EQ(client.packets(), (Packets{"PUBACK 1", "PUBACK 2"}));
  EXPECT_EQ(client.telemetry("", "c", 3), Packets{"PUBACK 3"});
}

TEST_F(DeviceMqttFaults, a_drop_at_publish_stores_nothing_and_a_drop_at_puback_stores_it) {
  FaultRule at_publish = drop(FaultMoment::publish);
  at_publish.count = 1;
  add(at_publish);
  SimDevice first(hub, d1);
  first.connect();
  EXPECT_THAT(first.telemetry("", "a", 1), IsEmpty());
  EXPECT_TRUE(first.closed());
  EXPECT_THAT(bodies(), IsEmpty());
  FaultRule at_puback = drop(FaultMoment::puback);
  at_puback.count = 1;
  add(at_puback);
  SimDevice second(hub, d1);
  second.connect();
  EXPECT_THAT(second.telemetry("", "b", 1), IsEmpty());
  EXPECT_TRUE(second.closed());
  EXPECT_EQ(bodies(), Packets{"b"});
}

TEST_F(DeviceMqttFaults, a_drop_at_connect_answers_nothing) {
  FaultRule at_connect = drop(FaultMoment::connect);
  at_connect.count = 1;
  add(at_connect);
  EXPECT_THAT(SimDevice::try_connect(hub, d1), IsEmpty());
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
}

TEST_F(DeviceMqttFaults, input_is_cut_within_a_packet) {
  SimDevice client(hub, d1);
  client.connect();
  FaultRule cut = rule(FaultKind::cut);
  cut.bytes = 10;
  cut.count = 1;
  add(cut);
  client.ping();  // two bytes
  EXPECT_FALSE(client.closed());
  client.telemetry("", "not taken", 1);
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(bodies(), IsEmpty());
}

TEST_F(DeviceMqttFaults, output_is_cut_within_a_packet) {
  SimDevice client(hub, d1);
  client.connect();
  FaultRule cut = rule(FaultKind::cut);
  cut.direction = FaultDirection::to_device;
  cut.bytes = 5;
  cut.count = 1;
  add(cut);
  EXPECT_EQ(client.telemetry("", "a", 1), Packets{"PUBACK 1"});  // four bytes
  EXPECT_EQ(client.telemetry("", "b", 2), Packets{"GARBAGE"});
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(bodies(), (Packets{"a", "b"}));
}

TEST_F(DeviceMqttFaults, a_delay_holds_up_what_the_device_sends) {
  FaultRule delay = rule(FaultKind::delay);
  delay.wait = 3s;
  delay.nth = 2;  // of the reads since CONNECT told who it is
  delay.count = 1;
  add(delay);
  SimDevice client(hub, d1);
  EXPECT_EQ(client.connect(), Packets{"CONNACK 0"});
  EXPECT_EQ(client.ping(), Packets{"PINGRESP"});
  EXPECT_THAT(client.telemetry("", "a", 1), IsEmpty());
  EXPECT_THAT(bodies(), IsEmpty());
  hub.loop.advance(3100ms);
  EXPECT_EQ(client.packets(), Packets{"PUBACK 1"});
  EXPECT_EQ(client.ping(), Packets{"PINGRESP"});
}

TEST_F(DeviceMqttFaults, telemetry_may_ask_for_its_own_faults_under_test_control) {
  SimDevice client(hub, d1);
  client.connect();
  EXPECT_EQ(
      client.telemetry("AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDelayInSecs=2", "x", 1),
      Packets{"PUBACK 1"});
  hub.loop.advance(1900ms);
  EXPECT_FALSE(client.closed());
  hub.loop.advance(300ms);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(bodies(), Packets{"x"}) << "the message that asks is a message";
}

TEST_F(DeviceMqttFaults, an_auth_error_lasts_for_its_duration) {
  SimDevice client(hub, d1);
  client.connect();
  client.telemetry(
      "AzIoTHub_FaultOperationType=InvokeAuthError&AzIoTHub_FaultOperationDelayInSecs=1&"
      "AzIoTHub_FaultOperationDurationInSecs=5",
      "x", 1);
  hub.loop.advance(1200ms);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 5"});
  hub.loop.advance(5100ms);
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
}

TEST(DeviceMqttWithoutTestControl, telemetry_asks_for_nothing) {
  SimHub hub;
  const IdentityRecord d1 = hub.add(device("d1"));
  SimDevice client(hub, d1);
  client.connect();
  client.telemetry("AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDelayInSecs=0", "x", 1);
  hub.loop.advance(5s);
  EXPECT_FALSE(client.closed());
}

}  // namespace
}  // namespace kyanite::test
