#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using mqtt::QoS;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Packets = std::vector<std::string>;

Property p(std::string name, std::optional<std::string> value) { return {std::move(name), std::move(value)}; }

class DeviceMqttTelemetry : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(client.connect(), Packets{"CONNACK 0"}); }
  // The only record in the log.
  TelemetryRecord only() {
    std::vector<TelemetryRecord> all = hub.telemetry();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? TelemetryRecord{} : all.front();
  }
  void expect_stored(std::string_view bag, std::vector<Property> application) {
    EXPECT_EQ(client.telemetry(bag, "x"), Packets{"PUBACK 1"});
    EXPECT_EQ(hub.telemetry().back().application, application) << bag;
  }
  void expect_closed_without_a_trace(std::string_view topic, QoS qos) {
    SimDevice other(hub, d1);
    EXPECT_EQ(other.connect(), Packets{"CONNACK 0"});
    EXPECT_THAT(other.publish(topic, "x", qos, PacketId{1}), IsEmpty()) << topic;
    EXPECT_TRUE(other.closed()) << topic;
    EXPECT_THAT(hub.telemetry(), IsEmpty()) << topic;
  }

  SimHub hub;
  IdentityRecord d1 = hub.add(device("d1"));
  SimDevice client{hub, d1};
};

TEST_F(DeviceMqttTelemetry, B37_body_arrives_byte_for_byte_without_properties) {
  EXPECT_EQ(client.telemetry("", "{id=123}"), Packets{"PUBACK 1"});
  const TelemetryRecord record = only();
  EXPECT_EQ(record.body, "{id=123}");
  EXPECT_EQ(record.sender, d1.id);
  EXPECT_EQ(record.generation_id, d1.generation_id);
  EXPECT_THAT(record.application, IsEmpty());
  EXPECT_THAT(record.system, IsEmpty());
}

TEST_F(DeviceMqttTelemetry, B38_tolerated_forms_of_the_topic_leave_no_residue) {
  EXPECT_EQ(client.publish("devices/d1/messages/events", "x", QoS::at_least_once, PacketId{1}),
            Packets{"PUBACK 1"});
  EXPECT_THAT(hub.telemetry().back().application, IsEmpty());
  expect_stored("a=1&b=2/", {p("a", "1"), p("b", "2")});
  expect_stored("?a=1", {p("a", "1")});
  expect_stored("/", {});
}

TEST_F(DeviceMqttTelemetry, B39_bag_is_decoded_like_a_query_string) {
  EXPECT_EQ(client.telemetry("a=1&b=two%20words&c=x%3Dy&d&e=", "x"), Packets{"PUBACK 1"});
  EXPECT_THAT(only().application,
              ElementsAre(p("a", "1"), p("b", "two words"), p("c", "x=y"), p("d", std::nullopt), p("e", "")));
}

TEST_F(DeviceMqttTelemetry, B40_plus_in_a_bag_value_stays_plus) {
  expect_stored("sum=1%2B1", {p("sum", "1+1")});
}

TEST_F(DeviceMqttTelemetry, B41_system_properties_stand_apart) {
  EXPECT_EQ(client.telemetry("$.mid=m-1&%24.cid=c-1&$.ct=application%2Fjson&$.ce=utf-8&$.uid=u&own=1", "{}"),
            Packets{"PUBACK 1"});
  const TelemetryRecord record = only();
  EXPECT_THAT(record.system, UnorderedElementsAre(p("message-id", "m-1"), p("correlation-id", "c-1"),
                                                  p("content-type", "application/json"),
                                                  p("content-encoding", "utf-8"), p("user-id", "u")));
  EXPECT_THAT(record.application, ElementsAre(p("own", "1")));
}

TEST_F(DeviceMqttTelemetry, B42_retain_becomes_two_properties) {
  EXPECT_EQ(client.publish(client.events_topic("a=1"), "x", QoS::at_least_once, PacketId{4}, true),
            Packets{"PUBACK 4"});
  EXPECT_THAT(only().application,
              ElementsAre(p("a", "1"), p("x-opt-retain", "true"), p("mqtt-retain", "true")));
}

TEST_F(DeviceMqttTelemetry, B43_qos_2_closes_without_pubrec_and_fires_the_will) {
  SimDevice with_will(hub, d1);
  ASSERT_EQ(with_will.connect({.will = mqtt::Will{"devices/d1/messages/events/", "gone"}}),
            Packets{"CONNACK 0"});
  EXPECT_THAT(with_will.publish("devices/d1/messages/events/", "x", QoS::exactly_once, PacketId{1}),
              IsEmpty());
  EXPECT_TRUE(with_will.closed());
  EXPECT_EQ(only().body, "gone");
}

TEST_F(DeviceMqttTelemetry, B44_undocumented_topics_close) {
  hub.add(device("d2"));
  for (const char* topic :
       {"devices/d2/messages/events/", "foo/bar", "$iothub/foo", "devices/d1/messages/devicebound/",
        "devices/d1/modules/m1/messages/events/", "$iothub/twin/PATCH/properties/desired/",
        "$iothub/streams/x", "$iothub/twin/GET/"}) {
    expect_closed_without_a_trace(topic, QoS::at_least_once);
    expect_closed_without_a_trace(topic, QoS::at_most_once);
  }
}

TEST_F(DeviceMqttTelemetry, B45_body_of_256_kib_is_taken_and_a_byte_more_closes) {
  const std::string largest(limits::kTelemetryBytesMax, 'x');
  EXPECT_EQ(client.telemetry("", largest), Packets{"PUBACK 1"});
  EXPECT_EQ(only().body.size(), largest.size());
  EXPECT_THAT(client.telemetry("", largest + "x"), IsEmpty());
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(hub.telemetry().size(), 1u);
  EXPECT_THAT(hub.observer.take(), ElementsAre("connected d1", "telemetry refused d1 413001",
                                               "disconnected d1 message_too_large"));
}

TEST_F(DeviceMqttTelemetry, properties_count_towards_the_size) {
  const std::string body(limits::kTelemetryBytesMax - 5, 'x');
  EXPECT_EQ(client.telemetry("name=1", body), Packets{"PUBACK 1"});
  EXPECT_THAT(client.telemetry("name=12", body), IsEmpty());
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttTelemetry, B46_model_id_and_component_are_stamped) {
  SimDevice pnp(hub, d1);
  ASSERT_EQ(
      pnp.connect({.username = SimHub::host() + "/d1/?api-version=2021-04-12&model-id=dtmi:com:example:T;1"}),
      Packets{"CONNACK 0"});
  EXPECT_EQ(pnp.telemetry("$.sub=thermostat1", "x"), Packets{"PUBACK 1"});
  EXPECT_EQ(only().model_id, "dtmi:com:example:T;1");
  EXPECT_THAT(only().system, ElementsAre(p("dt-subject", "thermostat1")));
}

TEST_F(DeviceMqttTelemetry, B47_auth_method_tells_the_scope_of_the_credential) {
  EXPECT_EQ(client.telemetry("", "x"), Packets{"PUBACK 1"});
  EXPECT_EQ(only().auth_method,
            R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  SimDevice by_policy(hub, d1);
  ASSERT_EQ(by_policy.connect({.password = hub.policy_token("device")}), Packets{"CONNACK 0"});
  EXPECT_EQ(by_policy.telemetry("", "x"), Packets{"PUBACK 1"});
  EXPECT_EQ(hub.telemetry().back().auth_method,
            R"({"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
}

TEST_F(DeviceMqttTelemetry, B48_a_hundred_pipelined_publishes_are_acknowledged_in_order) {
  std::string bytes;
  Packets expected;
  for (std::uint16_t i = 1; i <= 100; ++i) {
    const auto id = static_cast<std::uint16_t>(1000 - i * 7);
    mqtt::append_client_publish(bytes, client.events_topic(), std::to_string(i), QoS::at_least_once, false,
                                false, PacketId{id});
    expected.push_back("PUBACK " + std::to_string(id));
  }
  EXPECT_EQ(client.send(bytes), expected);
  const std::vector<TelemetryRecord> all = hub.telemetry();
  ASSERT_EQ(all.size(), 100u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].body, std::to_string(i + 1));
    EXPECT_EQ(all[i].offset.value, i);
  }
}

TEST_F(DeviceMqttTelemetry, B49_module_telemetry_carries_the_module_and_its_output) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  SimDevice m1_client(hub, m1, 2);
  ASSERT_EQ(m1_client.connect(), Packets{"CONNACK 0"});
  EXPECT_EQ(m1_client.telemetry("$.on=out1", "x"), Packets{"PUBACK 1"});
  const TelemetryRecord record = only();
  EXPECT_EQ(record.sender, m1.id);
  EXPECT_THAT(record.system, ElementsAre(p("iothub-outputname", "out1")));
  EXPECT_EQ(record.auth_method,
            R"({"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
}

TEST_F(DeviceMqttTelemetry, qos_0_is_stored_and_not_acknowledged) {
  EXPECT_THAT(client.publish(client.events_topic(), "x", QoS::at_most_once), IsEmpty());
  EXPECT_EQ(only().body, "x");
}

TEST_F(DeviceMqttTelemetry, dup_is_a_property_only_when_asked_for) {
  EXPECT_EQ(client.publish(client.events_topic(), "x", QoS::at_least_once, PacketId{1}, false, true),
            Packets{"PUBACK 1"});
  EXPECT_THAT(only().application, IsEmpty());
}

TEST_F(DeviceMqttTelemetry, a_property_of_the_hubs_cannot_be_forged) {
  SimDevice with_will(hub, d1);
  ASSERT_EQ(with_will.connect({.will = mqtt::Will{"devices/d1/messages/events/IOTHUB-messagetype=no", "x"}}),
            Packets{"CONNACK 0"});
  with_will.drop();
  EXPECT_THAT(only().application, ElementsAre(p("iothub-MessageType", "Will")));
}

// Acknowledgement follows commit

TEST_F(DeviceMqttTelemetry, nothing_is_acknowledged_before_its_commit) {
  hub.stores.faults.hold_commits = true;
  EXPECT_THAT(client.telemetry("", "a", 1), IsEmpty());
  EXPECT_THAT(client.telemetry("", "b", 2), IsEmpty());
  hub.loop.advance(seconds(10));
  EXPECT_THAT(client.packets(), IsEmpty());
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_THAT(client.packets(), ElementsAre("PUBACK 1", "PUBACK 2"));
}

TEST_F(DeviceMqttTelemetry, a_failed_commit_is_never_acknowledged) {
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  EXPECT_THAT(client.telemetry("", "lost", 1), IsEmpty());
  hub.loop.advance(seconds(30));
  EXPECT_THAT(client.packets(), IsEmpty());
}

TEST_F(DeviceMqttTelemetry, a_link_that_drops_before_the_commit_costs_nothing_stored) {
  hub.stores.faults.hold_commits = true;
  client.telemetry("", "kept", 1);
  client.drop();
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_EQ(only().body, "kept");
  EXPECT_EQ(hub.open_connections(), 0u);
}

TEST_F(DeviceMqttTelemetry, an_acknowledgement_of_an_old_connection_does_not_reach_the_new_one_in_its_slot) {
  const IdentityRecord d3 = hub.add(device("d3"));
  hub.stores.faults.hold_commits = true;
  client.telemetry("", "x", 9);
  client.drop();
  SimDevice next(hub, d3);
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_EQ(next.connect(), Packets{"CONNACK 0"});
  EXPECT_THAT(next.packets(), IsEmpty());
}

// Back-pressure

TEST_F(DeviceMqttTelemetry, too_many_unacknowledged_publishes_stop_the_reading) {
  hub.stores.faults.hold_commits = true;
  std::string bytes;
  const std::size_t count = limits::kUnackedPublishesMax + 10;
  for (std::size_t i = 1; i <= count; ++i) {
    mqtt::append_client_publish(bytes, client.events_topic(), "x", QoS::at_least_once, false, false,
                                PacketId{static_cast<std::uint16_t>(i)});
  }
  client.link().send_in_pieces(bytes, 16 * 1024);
  hub.loop.run();
  EXPECT_FALSE(client.link().hub_is_reading());
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_TRUE(client.link().hub_is_reading());
  EXPECT_EQ(client.packets().size(), count);
  EXPECT_EQ(hub.telemetry().size(), count);
}

TEST_F(DeviceMqttTelemetry, pressure_of_the_stores_stops_the_reading_until_it_is_gone) {
  hub.stores.set_pressure(StorePressure::disk_low);
  hub.loop.run();
  EXPECT_FALSE(client.link().hub_is_reading());
  EXPECT_THAT(client.telemetry("", "x"), IsEmpty());
  hub.loop.advance(seconds(600));
  EXPECT_FALSE(client.closed()) << "silence is not the device's while the hub does not listen";
  hub.stores.set_pressure(StorePressure::none);
  hub.loop.run();
  EXPECT_EQ(client.packets(), Packets{"PUBACK 1"});
}

TEST_F(DeviceMqttTelemetry, silence_begins_anew_when_the_hub_listens_again) {
  SimDevice hasty(hub, hub.add(device("d2")));
  hasty.connect({.keep_alive_seconds = 2});
  hub.stores.set_pressure(StorePressure::disk_low);
  hub.loop.advance(milliseconds(2'900));
  hub.stores.set_pressure(StorePressure::none);
  hub.loop.advance(milliseconds(200));
  EXPECT_FALSE(hasty.closed()) << "the hub did not listen for most of the three seconds";
  hub.loop.advance(seconds(3));
  EXPECT_TRUE(hasty.closed());
}

TEST_F(DeviceMqttTelemetry, a_client_that_does_not_read_is_not_read_from) {
  client.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  client.link().stall();
  std::string bytes;
  for (int i = 0; i < 2000; ++i) {
    mqtt::append_client_publish(bytes, "$iothub/twin/GET/?$rid=1", "", QoS::at_most_once, false, false,
                                PacketId{});
  }
  client.send(bytes);
  EXPECT_FALSE(client.link().hub_is_reading());
  client.link().unstall();
  hub.loop.run();
  EXPECT_TRUE(client.link().hub_is_reading());
  EXPECT_EQ(client.packets().size(), 2000u);
}

// Subscriptions

TEST_F(DeviceMqttTelemetry, B77_undocumented_filters_close) {
  for (const char* filter : {"#", "devices/d2/messages/devicebound/#", "devices/d1/messages/devicebound/x/#",
                             "devices/+/messages/devicebound/#", "$SYS/#", "devices/d1/messages/events/#"}) {
    SimDevice other(hub, d1);
    ASSERT_EQ(other.connect(), Packets{"CONNACK 0"});
    EXPECT_THAT(other.subscribe({{filter, QoS::at_least_once}}), IsEmpty()) << filter;
    EXPECT_TRUE(other.closed()) << filter;
  }
}

TEST_F(DeviceMqttTelemetry, undocumented_filters_are_answered_with_128_when_configured) {
  SimHub::Options options;
  options.settings.mqtt.invalid_subscription = InvalidSubscription::suback80;
  SimHub lax(options);
  SimDevice other(lax, lax.add(device("d1")));
  ASSERT_EQ(other.connect(), Packets{"CONNACK 0"});
  EXPECT_EQ(other.subscribe({{"$iothub/twin/res/#", QoS::at_least_once}, {"#", QoS::at_least_once}}, 3),
            Packets{"SUBACK 3 [128 128]"});
  EXPECT_FALSE(other.closed());
}

TEST_F(DeviceMqttTelemetry, B78_four_filters_in_one_packet_are_granted_at_most_qos_1) {
  EXPECT_EQ(client.subscribe({{"devices/d1/messages/devicebound/#", QoS::at_most_once},
                              {"$iothub/twin/res/#", QoS::at_least_once},
                              {"$iothub/twin/PATCH/properties/desired/#", QoS::exactly_once},
                              {"$iothub/methods/POST/#", QoS::at_least_once}},
                             11),
            Packets{"SUBACK 11 [0 1 1 1]"});
}

TEST_F(DeviceMqttTelemetry, B79_unsubscribe_is_always_answered) {
  client.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  EXPECT_EQ(client.unsubscribe({"$iothub/twin/res/#"}, 5), Packets{"UNSUBACK 5"});
  EXPECT_EQ(client.unsubscribe({"never/seen", "#"}, 6), Packets{"UNSUBACK 6"});
  EXPECT_THAT(client.publish("$iothub/twin/GET/?$rid=1", "", QoS::at_most_once), IsEmpty());
}

TEST_F(DeviceMqttTelemetry, a_sixth_filter_closes) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  SimDevice m1_client(hub, m1);
  ASSERT_EQ(m1_client.connect(), Packets{"CONNACK 0"});
  std::vector<mqtt::TopicRequest> five{{"devices/d1/modules/m1/#", QoS::at_least_once},
                                       {"devices/d1/modules/m1/inputs/#", QoS::at_least_once},
                                       {"$iothub/twin/res/#", QoS::at_least_once},
                                       {"$iothub/twin/PATCH/properties/desired/#", QoS::at_least_once},
                                       {"$iothub/methods/POST/#", QoS::at_least_once}};
  EXPECT_EQ(m1_client.subscribe(five), Packets{"SUBACK 1 [1 1 1 1 1]"});
  EXPECT_EQ(m1_client.subscribe(five), Packets{"SUBACK 1 [1 1 1 1 1]"}) << "the same again is nothing new";
  EXPECT_THAT(m1_client.subscribe({{"devices/d1/modules/m1/messages/devicebound/#", QoS::at_least_once}}),
              IsEmpty());
  EXPECT_TRUE(m1_client.closed());
}

TEST_F(DeviceMqttTelemetry, a_method_response_nobody_asked_for_is_acknowledged_and_ignored) {
  EXPECT_EQ(client.publish("$iothub/methods/res/200/?$rid=1", "{}", QoS::at_least_once, PacketId{3}),
            Packets{"PUBACK 3"});
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttTelemetry, requests_are_acknowledged_in_their_place_among_telemetry) {
  hub.stores.faults.hold_commits = true;
  client.telemetry("", "x", 1);
  EXPECT_THAT(client.publish("$iothub/methods/res/200/?$rid=1", "", QoS::at_least_once, PacketId{2}),
              IsEmpty());
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_THAT(client.packets(), ElementsAre("PUBACK 1", "PUBACK 2"));
}

TEST_F(DeviceMqttTelemetry, garbage_closes_in_every_state) {
  for (const bool connected : {false, true}) {
    SimDevice other(hub, d1);
    if (connected) other.connect();
    EXPECT_THAT(other.send("\xf0\x02xx"), IsEmpty());
    EXPECT_TRUE(other.closed());
  }
}

}  // namespace
}  // namespace kyanite::test
