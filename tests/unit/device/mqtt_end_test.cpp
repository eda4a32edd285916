#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"
#include "protocol/base/limits.h"
#include "protocol/mqtt/encoder.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using mqtt::QoS;
using testing::ElementsAre;
using testing::IsEmpty;
using Packets = std::vector<std::string>;

const Packets kConnected{"CONNACK 0"};

SimHub::Options with(const std::function<void(Settings&)>& change) {
  SimHub::Options options;
  change(options.settings);
  return options;
}

mqtt::Will will_of(std::string_view topic, std::string_view payload = "x") { return {topic, payload}; }

// How connections of d1 end, and what becomes of their wills.
class DeviceMqttEnd : public testing::Test {
 protected:
  explicit DeviceMqttEnd(SimHub::Options options = {}) : hub(std::move(options)) {}
  std::vector<std::string> bodies() {
    std::vector<std::string> all;
    for (const TelemetryRecord& record : hub.telemetry()) all.push_back(record.body);
    return all;
  }

  SimHub hub;
  IdentityRecord d1 = hub.add(device("d1"));
};

TEST_F(DeviceMqttEnd, B29_will_becomes_a_message_when_the_socket_is_cut) {
  SimDevice client(hub, d1);
  client.connect({.will = will_of("devices/d1/messages/events/a=1")});
  client.drop();
  const std::vector<TelemetryRecord> all = hub.telemetry();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].body, "x");
  EXPECT_THAT(all[0].application, ElementsAre(Property{"a", "1"}, Property{"iothub-MessageType", "Will"}));
  EXPECT_EQ(all[0].source, MessageSource::telemetry);
}

TEST_F(DeviceMqttEnd, B30_disconnect_discards_the_will) {
  SimDevice client(hub, d1);
  client.connect({.will = will_of("devices/d1/messages/events/")});
  EXPECT_THAT(client.disconnect(), IsEmpty());
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.telemetry(), IsEmpty());
}

TEST_F(DeviceMqttEnd, a_disconnect_held_back_behind_a_full_window_still_discards_the_will) {
  SimDevice client(hub, d1);
  client.connect({.will = will_of("devices/d1/messages/events/", "will")});
  hub.stores.faults.hold_commits = true;
  std::string bytes;
  for (std::uint16_t id = 1; id <= limits::kUnackedPublishesMax + 1; ++id) {
    mqtt::append_client_publish(bytes, "devices/d1/messages/events/", "m", QoS::at_least_once, false, false,
                                PacketId{id});
  }
  mqtt::append_disconnect(bytes);
  client.link().send(bytes);
  client.link().close_gracefully();
  hub.loop.run();
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_THAT(bodies(), testing::SizeIs(limits::kUnackedPublishesMax + 1));
  EXPECT_THAT(bodies(), testing::Not(testing::Contains("will")));
}

TEST_F(DeviceMqttEnd, a_peer_that_speaks_something_else_is_told_to_the_operator) {
  SimDevice client(hub, d1);
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(hub.observer.take(), ElementsAre(testing::HasSubstr("refused")));
}

TEST_F(DeviceMqttEnd, an_end_of_stream_without_disconnect_fires_the_will) {
  SimDevice client(hub, d1);
  client.connect({.will = will_of("devices/d1/messages/events/")});
  client.link().close_gracefully();
  hub.loop.run();
  EXPECT_THAT(bodies(), ElementsAre("x"));
}

TEST_F(DeviceMqttEnd, a_will_with_retain_carries_the_marker_and_qos_2_is_accepted) {
  SimDevice client(hub, d1);
  EXPECT_EQ(client.connect({.will = mqtt::Will{"devices/d1/messages/events/", "", QoS::exactly_once, true}}),
            kConnected);
  client.drop();
  EXPECT_THAT(hub.telemetry().at(0).application,
              ElementsAre(Property{"x-opt-retain", "true"}, Property{"mqtt-retain", "true"},
                          Property{"iothub-MessageType", "Will"}));
}

TEST_F(DeviceMqttEnd, a_refused_connect_fires_no_will) {
  SimDevice client(hub, d1);
  client.connect({.password = "secret", .will = will_of("devices/d1/messages/events/")});
  client.drop();
  EXPECT_THAT(hub.telemetry(), IsEmpty());
}

TEST_F(DeviceMqttEnd, B31_will_for_another_devices_topic_is_accepted_and_never_fires) {
  SimDevice client(hub, d1);
  EXPECT_EQ(client.connect({.will = will_of("devices/d2/messages/events/")}), kConnected);
  client.drop();
  EXPECT_THAT(hub.telemetry(), IsEmpty());
  EXPECT_THAT(hub.observer.take(), ElementsAre("connected d1", "will unusable d1 devices/d2/messages/events/",
                                               "disconnected d1 link_lost"));
}

TEST_F(DeviceMqttEnd, nothing_is_told_of_the_will_of_a_peer_that_proved_nothing) {
  SimDevice::try_connect(hub, d1, {.password = "secret", .will = will_of("devices/d2/messages/events/")});
  EXPECT_THAT(hub.observer.take(), ElementsAre("refused d1 401003"));
}

struct StrictWill : DeviceMqttEnd {
  StrictWill() : DeviceMqttEnd(with([](Settings& s) { s.mqtt.strict_will = true; })) {}
};
TEST_F(StrictWill, refuses_a_will_for_a_topic_that_is_not_the_devices) {
  EXPECT_EQ(SimDevice::try_connect(hub, d1, {.will = will_of("foo")}), Packets{"CONNACK 5"});
}

TEST_F(DeviceMqttEnd, B32_keep_alive_closes_after_one_and_a_half_times_of_silence) {
  SimDevice silent(hub, d1);
  silent.connect({.keep_alive_seconds = 2, .will = will_of("devices/d1/messages/events/")});
  hub.loop.advance(milliseconds(2'900));
  EXPECT_FALSE(silent.closed());
  hub.loop.advance(milliseconds(200));
  EXPECT_TRUE(silent.closed());
  EXPECT_THAT(silent.packets(), IsEmpty());
  EXPECT_THAT(bodies(), ElementsAre("x"));
  EXPECT_EQ(hub.observer.take().back(), "disconnected d1 keep_alive_timeout");
}

TEST_F(DeviceMqttEnd, B32_any_packet_every_second_keeps_the_connection) {
  SimDevice client(hub, d1);
  client.connect({.keep_alive_seconds = 2});
  for (int i = 0; i < 10; ++i) {
    hub.loop.advance(seconds(1));
    EXPECT_EQ(client.ping(), Packets{"PINGRESP"});
  }
  for (int i = 0; i < 10; ++i) {
    hub.loop.advance(seconds(1));
    EXPECT_EQ(client.telemetry("", "x"), Packets{"PUBACK 1"});
  }
}

TEST_F(DeviceMqttEnd, B33_keep_alive_of_zero_or_beyond_the_cap_is_the_cap) {
  for (const std::uint16_t keep_alive : std::initializer_list<std::uint16_t>{0, 65535}) {
    SimDevice client(hub, d1);
    client.connect({.keep_alive_seconds = keep_alive});
    hub.loop.advance(seconds(1766));
    EXPECT_FALSE(client.closed());
    hub.loop.advance(seconds(2));
    EXPECT_TRUE(client.closed());
  }
}

// Expiry

struct NoGrace : DeviceMqttEnd {
  NoGrace() : DeviceMqttEnd(with([](Settings& s) { s.auth.sas_grace = seconds(0); })) {}
};
TEST_F(NoGrace, B27_connection_is_cut_shortly_after_its_token_expires_and_the_will_fires) {
  SimDevice client(hub, d1);
  client.connect({.password = hub.token_of(d1, seconds(2)), .will = will_of("devices/d1/messages/events/")});
  hub.loop.advance(milliseconds(1'900));
  EXPECT_FALSE(client.closed());
  hub.loop.advance(milliseconds(200));
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(bodies(), ElementsAre("x"));
  EXPECT_EQ(hub.observer.take().back(), "disconnected d1 credential_expired");
}

TEST_F(DeviceMqttEnd, the_grace_and_at_most_five_seconds_pass_before_the_cut) {
  SimDevice client(hub, d1);
  client.connect({.password = hub.token_of(d1, seconds(10)), .keep_alive_seconds = 0});
  hub.loop.advance(seconds(309));
  EXPECT_FALSE(client.closed());
  hub.loop.advance(seconds(7));
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttEnd, a_step_of_the_wall_clock_is_noticed_within_half_a_minute) {
  SimDevice client(hub, d1);
  client.connect({.password = hub.token_of(d1, seconds(3600)), .keep_alive_seconds = 0});
  hub.loop.step_wall_clock(std::chrono::hours(2));
  hub.loop.advance(seconds(31));
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttEnd, a_clock_that_steps_back_does_not_cut_early) {
  SimDevice client(hub, d1);
  client.connect({.password = hub.token_of(d1, seconds(10)), .keep_alive_seconds = 0});
  hub.loop.step_wall_clock(-std::chrono::hours(1));
  hub.loop.advance(seconds(1000));
  EXPECT_FALSE(client.closed());
}

TEST_F(DeviceMqttEnd, a_token_without_end_never_cuts) {
  SimDevice client(hub, d1);
  const std::string token = make_sas_token(SimHub::host() + "/devices/d1", d1.primary_key, INT64_MAX);
  ASSERT_EQ(client.connect({.password = token, .keep_alive_seconds = 0}), kConnected);
  hub.loop.advance(seconds(1700));
  EXPECT_FALSE(client.closed());
}

// Takeover

TEST_F(DeviceMqttEnd, B34_the_newer_connection_wins_and_both_are_told) {
  SimDevice first(hub, d1, 0);
  SimDevice second(hub, d1, 1);
  first.connect();
  EXPECT_EQ(second.connect(), kConnected);
  EXPECT_TRUE(first.closed());
  EXPECT_THAT(first.packets(), IsEmpty());
  EXPECT_THAT(hub.observer.take(), ElementsAre("connected d1", "disconnected d1 takeover", "connected d1"));
  EXPECT_TRUE(hub.get(device("d1"))->connected);
}

TEST_F(DeviceMqttEnd, the_old_will_stands_before_the_first_message_of_the_new_connection) {
  SimDevice first(hub, d1, 0);
  SimDevice second(hub, d1, 1);
  first.connect({.will = will_of("devices/d1/messages/events/", "will")});
  std::string bytes = second.connect_bytes({});
  mqtt::append_client_publish(bytes, second.events_topic(), "new", QoS::at_least_once, false, false,
                              PacketId{1});
  EXPECT_THAT(second.send(bytes), ElementsAre("CONNACK 0", "PUBACK 1"));
  EXPECT_THAT(bodies(), ElementsAre("will", "new"));
}

TEST_F(DeviceMqttEnd, a_failed_connect_never_touches_the_old_connection) {
  SimDevice first(hub, d1);
  first.connect();
  EXPECT_EQ(SimDevice::try_connect(hub, d1, {.password = "secret"}), Packets{"CONNACK 5"});
  EXPECT_FALSE(first.closed());
  EXPECT_EQ(first.ping(), Packets{"PINGRESP"});
}

TEST_F(DeviceMqttEnd, many_at_once_leave_exactly_one_connected) {
  std::vector<std::unique_ptr<SimDevice>> clients;
  for (std::uint16_t i = 0; i < 20; ++i) {
    clients.push_back(
        std::make_unique<SimDevice>(hub, d1, static_cast<std::uint16_t>(i % hub.shard_count())));
    clients.back()->link().send(clients.back()->connect_bytes({}));
  }
  hub.loop.run();
  std::size_t open = 0;
  for (const auto& client : clients) open += client->closed() ? 0 : 1;
  EXPECT_EQ(open, 1u);
  EXPECT_EQ(hub.open_connections(), 1u);
  EXPECT_EQ(
      hub.ask<ServiceStatistics>([&](Reply<ServiceStatistics> r) { hub.registry().connected(std::move(r)); })
          ->connected_devices,
      1u);
}

TEST_F(DeviceMqttEnd, an_end_of_the_old_connection_does_not_disconnect_the_new_one) {
  SimDevice first(hub, d1, 0);
  SimDevice second(hub, d1, 1);
  first.connect();
  second.link().send(second.connect_bytes({}));
  first.link().drop();  // its own end and the takeover cross
  hub.loop.run();
  EXPECT_EQ(second.packets(), kConnected);
  EXPECT_TRUE(hub.get(device("d1"))->connected);
  EXPECT_EQ(second.ping(), Packets{"PINGRESP"});
}

// Disable, delete, key change

TEST_F(DeviceMqttEnd, R47_disabling_closes_the_device_and_its_modules) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  SimDevice client(hub, d1, 0);
  SimDevice m1_client(hub, m1, 1);
  client.connect();
  m1_client.connect();
  IdentityRecord off = d1;
  off.status = IdentityStatus::disabled;
  ASSERT_TRUE(hub.put(off, IfMatch{true, {}}));
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(m1_client.closed());
  EXPECT_FALSE(hub.get(device("d1"))->connected);
  EXPECT_EQ(SimDevice::try_connect(hub, m1), Packets{"CONNACK 3"});
  d1.status = IdentityStatus::enabled;
  ASSERT_TRUE(hub.put(d1, IfMatch{true, {}}));
  EXPECT_EQ(SimDevice::try_connect(hub, d1), kConnected);
}

TEST_F(DeviceMqttEnd, deleting_closes_and_a_recreated_identity_is_another) {
  SimDevice client(hub, d1);
  client.connect();
  ASSERT_TRUE(hub.erase(device("d1")));
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(hub.observer.take().back(), "disconnected d1 identity_deleted");
  const IdentityRecord again = hub.add(device("d1"));
  EXPECT_NE(again.generation_id, d1.generation_id);
  EXPECT_EQ(SimDevice::try_connect(hub, d1), Packets{"CONNACK 5"});
  EXPECT_EQ(SimDevice::try_connect(hub, again), kConnected);
}

TEST_F(DeviceMqttEnd, a_delete_on_its_way_meets_a_connect_on_its_way) {
  hub.stores.faults.hold_commits = true;
  bool deleted = false;
  hub.registry().erase(device("d1"), IfMatch{true, {}},
                       Reply<void>(hub.executor(0), [&](Result<void> r) { deleted = r.has_value(); }));
  hub.loop.run();
  SimDevice client(hub, d1);
  EXPECT_THAT(client.connect(), IsEmpty()) << "the verdict waits for the write in flight";
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_TRUE(deleted);
  EXPECT_EQ(client.packets(), Packets{"CONNACK 5"});
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceMqttEnd, new_keys_leave_the_connection_alone_by_default) {
  SimDevice client(hub, d1);
  client.connect();
  ASSERT_TRUE(hub.put(wanted(device("d1")), IfMatch{true, {}}));
  EXPECT_FALSE(client.closed());
}

struct KeyChangeCuts : DeviceMqttEnd {
  KeyChangeCuts() : DeviceMqttEnd(with([](Settings& s) { s.auth.disconnect_on_key_change = true; })) {}
};
TEST_F(KeyChangeCuts, when_both_keys_are_gone_but_not_for_a_policys_token) {
  SimDevice client(hub, d1);
  client.connect();
  IdentityRecord swapped = d1;
  std::swap(swapped.primary_key, swapped.secondary_key);
  ASSERT_TRUE(hub.put(swapped, IfMatch{true, {}}));
  EXPECT_FALSE(client.closed());
  ASSERT_TRUE(hub.put(wanted(device("d1")), IfMatch{true, {}}));
  EXPECT_TRUE(client.closed());

  SimDevice by_policy(hub, d1);
  ASSERT_EQ(by_policy.connect({.password = hub.policy_token("device")}), kConnected);
  ASSERT_TRUE(hub.put(wanted(device("d1")), IfMatch{true, {}}));
  EXPECT_FALSE(by_policy.closed());
}

TEST_F(DeviceMqttEnd, R48_connecting_moves_the_state_and_its_time_and_never_the_etag) {
  const std::string etag = identity_etag(hub.get(device("d1"))->record);
  EXPECT_EQ(hub.get(device("d1"))->connection_state_updated, kNever);
  SimDevice client(hub, d1);
  client.connect();
  const WallTime connected_at = hub.loop.wall_now();
  hub.loop.advance(seconds(5));
  client.telemetry("", "x");
  const IdentityView live = *hub.get(device("d1"));
  EXPECT_TRUE(live.connected);
  EXPECT_EQ(live.connection_state_updated, connected_at);
  EXPECT_EQ(live.last_activity, connected_at + seconds(5));
  hub.loop.advance(seconds(5));
  client.disconnect();
  const IdentityView after = *hub.get(device("d1"));
  EXPECT_FALSE(after.connected);
  EXPECT_EQ(after.connection_state_updated, connected_at + seconds(10));
  EXPECT_EQ(after.last_activity, connected_at + seconds(5));
  EXPECT_EQ(identity_etag(after.record), etag);
}

TEST_F(DeviceMqttEnd, a_link_that_drops_in_any_state_leaves_nothing_behind) {
  SimDevice before_connect(hub, d1);
  before_connect.drop();
  SimDevice half_connect(hub, d1);
  half_connect.send(half_connect.connect_bytes({}).substr(0, 10));
  half_connect.drop();
  SimDevice half_publish(hub, d1);
  half_publish.connect();
  half_publish.send("\x32\x20\x00\x10");
  half_publish.drop();
  EXPECT_EQ(hub.open_connections(), 0u);
  EXPECT_FALSE(hub.get(device("d1"))->connected);
  EXPECT_THAT(hub.telemetry(), IsEmpty());
}

TEST_F(DeviceMqttEnd, a_peer_that_leaves_after_tls_without_a_byte_is_told_and_no_other) {
  PeerInfo over_tls;
  over_tls.tls_version = "TLSv1.3";
  SimDevice silent(hub, d1, 0, over_tls);
  silent.drop();
  EXPECT_THAT(hub.observer.take(), ElementsAre("Mqtt left silently"));
  SimDevice began(hub, d1, 0, over_tls);
  began.send("\x10");
  began.drop();
  PeerInfo over_websocket = over_tls;
  over_websocket.transport = PeerTransport::websocket;
  SimDevice upgraded(hub, d1, 0, over_websocket);
  upgraded.drop();
  SimDevice plain(hub, d1);
  plain.drop();
  EXPECT_THAT(hub.observer.take(), IsEmpty());
  SimDevice slow(hub, d1, 0, over_tls);
  hub.loop.advance(seconds(61));  // a connect timeout is told as such
  EXPECT_THAT(hub.observer.take(), ElementsAre(testing::HasSubstr("refused")));
}

}  // namespace
}  // namespace kyanite::test
