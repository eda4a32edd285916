#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;
using mqtt::QoS;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using Packets = std::vector<std::string>;

// What the rates of F1 do to connections, under virtual time (spec device-mqtt.md 9.4).
class DeviceMqttThrottle : public testing::Test {
 protected:
  static SimHub::Options free_tier() {
    SimHub::Options options;
    options.settings.limits.tier = Tier::f1;
    return options;
  }
  void use_up_the_quota() { hub.throttles().meter(8'000 * 512, hub.loop.wall_now()); }
  static std::size_t count(const Packets& packets, std::string_view part) {
    return static_cast<std::size_t>(std::count_if(packets.begin(), packets.end(), [&](const std::string& p) {
      return p.find(part) != std::string::npos;
    }));
  }
  // Publishes with QoS 1 in one piece.
  std::string messages(const SimDevice& client, int how_many, QoS qos = QoS::at_least_once) {
    std::string bytes;
    for (int i = 1; i <= how_many; ++i) {
      mqtt::append_client_publish(bytes, client.events_topic(), "x", qos, false, false,
                                  PacketId{static_cast<std::uint16_t>(qos == QoS::at_most_once ? 0 : i)});
    }
    return bytes;
  }

  SimHub hub{free_tier()};
  IdentityRecord d1 = hub.add(device("d1"));
};

TEST_F(DeviceMqttThrottle, a_connect_over_the_rate_is_refused_with_3_and_closed) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
  SimDevice client(hub, d1);
  EXPECT_EQ(client.connect(), Packets{"CONNACK 3"});
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.observer.take(), Contains("refused d1 429001"));
  hub.loop.advance(10ms);
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
}

TEST_F(DeviceMqttThrottle, telemetry_over_the_rate_is_acknowledged_later_and_nothing_is_lost) {
  SimDevice client(hub, d1);
  client.connect();
  const Packets at_once = client.send(messages(client, 300));
  EXPECT_GE(at_once.size(), 100u);
  EXPECT_LE(at_once.size(), 101u);
  EXPECT_FALSE(client.link().hub_is_reading());
  hub.loop.advance(1s);
  EXPECT_NEAR(static_cast<double>(client.packets().size()), 100, 2);
  hub.loop.advance(1s);
  EXPECT_NEAR(static_cast<double>(client.packets().size()), 100, 2);
  EXPECT_FALSE(client.closed());
  EXPECT_EQ(hub.telemetry().size(), 300u);
  EXPECT_TRUE(client.link().hub_is_reading());
}

TEST_F(DeviceMqttThrottle, qos_0_over_the_rate_waits_in_the_socket) {
  SimDevice client(hub, d1);
  client.connect();
  client.send(messages(client, 150, QoS::at_most_once));
  EXPECT_LE(hub.telemetry().size(), 101u);
  EXPECT_FALSE(client.link().hub_is_reading());
  hub.loop.advance(1s);
  EXPECT_EQ(hub.telemetry().size(), 150u);
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttThrottle, requests_behind_telemetry_wait_with_it) {
  SimDevice client(hub, d1);
  client.connect();
  std::string bytes = messages(client, 110);
  mqtt::append_pingreq(bytes);
  EXPECT_THAT(client.send(bytes), testing::Not(Contains("PINGRESP")));
  hub.loop.advance(1s);
  EXPECT_THAT(client.packets(), Contains("PINGRESP"));
}

// Each of these has its messages waiting; the hub-wide rate cannot serve them all.
TEST_F(DeviceMqttThrottle, persistent_excess_closes_with_429001) {
  for (int i = 0; i < 2'100; ++i) {
    ASSERT_TRUE(hub.throttles().reserve(ThrottleClass::d2c_sends, hub.loop.now()).has_value());
  }
  SimDevice client(hub, d1);
  client.connect();
  EXPECT_THAT(client.telemetry("", "x"), IsEmpty());
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.telemetry(), IsEmpty());
  EXPECT_THAT(hub.observer.take(), Contains("disconnected d1 throttled"));
  EXPECT_EQ(status_type(EndReason::throttled), 429001);
}

TEST_F(DeviceMqttThrottle, a_device_that_leaves_while_it_waits_loses_nothing_it_sent) {
  SimDevice client(hub, d1);
  client.connect();
  client.send(messages(client, 150));
  client.link().close_gracefully();
  hub.loop.run();
  EXPECT_EQ(hub.telemetry().size(), 150u);
  EXPECT_EQ(hub.open_connections(), 0u);
}

TEST_F(DeviceMqttThrottle, B68_twin_reads_over_the_rate_are_answered_429_and_the_connection_stays) {
  SimDevice client(hub, d1);
  client.connect();
  client.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  std::size_t refused = 0;
  for (int i = 0; i < 120; ++i) {
    const Packets answer =
        client.publish("$iothub/twin/GET/?$rid=" + std::to_string(i), "", QoS::at_most_once);
    if (count(answer, "$iothub/twin/res/429/?$rid=" + std::to_string(i) + " ") == 0) continue;
    EXPECT_THAT(answer, Contains(HasSubstr(R"("errorCode":429001)")));
    ++refused;
  }
  EXPECT_EQ(refused, 20u);
  EXPECT_EQ(client.ping(), Packets{"PINGRESP"});
  hub.loop.advance(1s);
  EXPECT_EQ(count(client.publish("$iothub/twin/GET/?$rid=z", "", QoS::at_most_once), "res/429"), 0u);
}

TEST_F(DeviceMqttThrottle, B68_reported_patches_have_their_own_rate) {
  SimDevice client(hub, d1);
  client.connect();
  client.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  std::size_t refused = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string topic = "$iothub/twin/PATCH/properties/reported/?$rid=" + std::to_string(i);
    refused += count(client.publish(topic, R"({"a":1})", QoS::at_most_once), "res/429");
  }
  EXPECT_EQ(refused, 10u);
  EXPECT_EQ(count(client.publish("$iothub/twin/GET/?$rid=z", "", QoS::at_most_once), "res/429"), 0u);
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttThrottle, a_used_up_quota_closes_telemetry_refuses_connects_and_answers_twins_403) {
  SimDevice sender(hub, d1);
  SimDevice asker(hub, hub.add(device("d2")));
  sender.connect();
  asker.connect();
  asker.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  use_up_the_quota();
  EXPECT_THAT(sender.telemetry("", "x"), IsEmpty());
  EXPECT_TRUE(sender.closed());
  EXPECT_EQ(status_type(EndReason::quota_exceeded), 403002);
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 3"});
  const Packets answer = asker.publish("$iothub/twin/GET/?$rid=1", "", QoS::at_most_once);
  EXPECT_THAT(answer, Contains(HasSubstr("$iothub/twin/res/403/?$rid=1 ")));
  EXPECT_THAT(answer, Contains(HasSubstr(R"("errorCode":403002)")));
  hub.loop.step_wall_clock(24h);
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 0"});
}

TEST_F(DeviceMqttThrottle, telemetry_and_wills_are_metered) {
  SimDevice client(hub, d1);
  client.connect({.will = mqtt::Will{"devices/d1/messages/events/", "gone"}});
  client.telemetry("", std::string(513, 'x'));
  EXPECT_EQ(hub.throttles().messages_today(hub.loop.wall_now()), 2u);
  client.drop();
  EXPECT_EQ(hub.throttles().messages_today(hub.loop.wall_now()), 3u);
}

TEST(DeviceMqttClock, B27_a_shift_past_the_end_of_the_token_cuts_live_connections_at_once) {
  SimHub::Options options;
  options.settings.auth.sas_grace = seconds(0);
  SimHub hub(std::move(options));
  const IdentityRecord d1 = hub.add(device("d1"));
  SimDevice client(hub, d1);
  ASSERT_EQ(client.connect({.will = mqtt::Will{"devices/d1/messages/events/", "cut"}}), Packets{"CONNACK 0"});
  const auto shift = [&](milliseconds to) {
    return hub.ask<ClockState>([&](Reply<ClockState> r) { hub.clock().shift_to(to, std::move(r)); });
  };
  shift(59min);
  EXPECT_FALSE(client.closed());
  shift(61min);  // tokens of the test last an hour
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.observer.take(), Contains("disconnected d1 credential_expired"));
  EXPECT_EQ(hub.telemetry().back().body, "cut");
}

}  // namespace
}  // namespace kyanite::test
