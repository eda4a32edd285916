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

const std::string kReported = "$iothub/twin/PATCH/properties/reported/?$rid=";

std::string request(std::string_view topic, std::string_view body = {}) {
  std::string bytes;
  mqtt::append_client_publish(bytes, topic, body, QoS::at_most_once, false, false, PacketId{});
  return bytes;
}

// Twins as a device sees them. d1 listens for responses.
class DeviceMqttTwin : public testing::Test {
 protected:
  DeviceMqttTwin() {
    EXPECT_EQ(client.connect(), Packets{"CONNACK 0"});
    EXPECT_EQ(client.subscribe({{"$iothub/twin/res/#", QoS::at_least_once}}), Packets{"SUBACK 1 [1]"});
  }
  Packets ask(std::string_view topic, std::string_view body = {}) {
    return client.publish(topic, body, QoS::at_most_once);
  }
  // The body of the error that the topic is answered with.
  Json refused(std::string_view topic, std::string_view body, const std::string& status) {
    const Packets answer = ask(topic, body);
    const std::string prefix = "PUBLISH q0 $iothub/twin/res/" + status + "/?$rid=r ";
    if (answer.size() != 1 || !answer[0].starts_with(prefix)) {
      ADD_FAILURE() << testing::PrintToString(answer);
      return {};
    }
    return parse_json(answer[0].substr(prefix.size())).value();
  }

  SimHub hub;
  SimDevice client{hub, hub.add(device("d1"))};
};

TEST_F(DeviceMqttTwin, B61_the_payload_of_a_get_does_not_matter) {
  for (const char* payload : {"", " ", "{bad"}) {
    EXPECT_THAT(ask("$iothub/twin/GET/?$rid=ho", payload),
                ElementsAre(StartsWith("PUBLISH q0 $iothub/twin/res/200/?$rid=ho {\"desired\":{")));
  }
}

TEST_F(DeviceMqttTwin, B62_a_new_twin_has_two_versions_and_nothing_else) {
  EXPECT_EQ(ask("$iothub/twin/GET/?$rid=1"),
            Packets{"PUBLISH q0 $iothub/twin/res/200/?$rid=1 "
                    "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}"});
}

TEST_F(DeviceMqttTwin, B63_an_applied_patch_is_answered_with_its_version) {
  EXPECT_EQ(ask(kReported + "a", "{\"batteryLevel\":55,\"old\":1}"),
            Packets{"PUBLISH q0 $iothub/twin/res/204/?$rid=a&$version=2 "});
  EXPECT_EQ(ask(kReported + "b", "{\"batteryLevel\":60,\"old\":null}"),
            Packets{"PUBLISH q0 $iothub/twin/res/204/?$rid=b&$version=3 "});
  EXPECT_EQ(ask("$iothub/twin/GET/?$rid=c"),
            Packets{"PUBLISH q0 $iothub/twin/res/200/?$rid=c "
                    "{\"desired\":{\"$version\":1},\"reported\":{\"batteryLevel\":60,\"$version\":3}}"});
}

TEST_F(DeviceMqttTwin, B64_bad_patches_are_refused_and_change_nothing) {
  std::string deep = "{}";
  for (int i = 0; i < 12; ++i) deep = "{\"a\":" + deep + "}";
  for (const std::string& body : {std::string("{bad"), std::string("[1]"), std::string("null"), std::string(),
                                  "{\"a\":\"" + std::string(4097, 'x') + "\"}", deep,
                                  std::string("{\"a\":4503599627370496}"), std::string("{\"a.b\":1}")}) {
    const Json error = refused(kReported + "r", body, "400");
    EXPECT_EQ(error["errorCode"], 400004) << body;
    EXPECT_FALSE(error["message"].get<std::string>().empty());
    EXPECT_THAT(error["trackingId"].get<std::string>(),
                testing::EndsWith("-G:0-TimeStamp:01/05/2026 10:00:00"));
    EXPECT_EQ(error["timestampUtc"], "2026-01-05T10:00:00.0000000Z");
  }
  EXPECT_EQ(ask(kReported + "a", "{}"), Packets{"PUBLISH q0 $iothub/twin/res/204/?$rid=a&$version=2 "});
}

TEST_F(DeviceMqttTwin, the_request_id_is_echoed_as_it_came) {
  EXPECT_THAT(ask("$iothub/twin/GET/?$rid=a%20b%2Fc=d&x=1"),
              ElementsAre(StartsWith("PUBLISH q0 $iothub/twin/res/200/?$rid=a%20b%2Fc=d {")));
}

TEST_F(DeviceMqttTwin, a_base_version_that_is_not_the_present_one_is_refused) {
  EXPECT_EQ(ask(kReported + "a&$version=1", "{}"),
            Packets{"PUBLISH q0 $iothub/twin/res/204/?$rid=a&$version=2 "});
  EXPECT_EQ(refused(kReported + "r&$version=1", "{}", "412")["errorCode"], 412001);
  EXPECT_EQ(refused(kReported + "r&$version=one", "{}", "400")["errorCode"], 400004);
}

TEST_F(DeviceMqttTwin, a_twin_that_would_grow_too_large_is_refused) {
  std::string body = "{";
  for (int i = 0; i < 9; ++i) {
    if (i > 0) body += ",";
    body += "\"k" + std::to_string(i) + "\":\"" + std::string(4000, 'x') + "\"";
  }
  EXPECT_EQ(refused(kReported + "r", body + "}", "413")["errorCode"], 413001);
}

TEST_F(DeviceMqttTwin, B69_a_get_without_request_id_closes) {
  EXPECT_THAT(ask("$iothub/twin/GET/"), IsEmpty());
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttTwin, a_patch_without_request_id_is_applied_in_silence) {
  EXPECT_THAT(ask("$iothub/twin/PATCH/properties/reported/", "{\"a\":1}"), IsEmpty());
  EXPECT_THAT(ask("$iothub/twin/PATCH/properties/reported/", "{bad"), IsEmpty());
  EXPECT_THAT(ask("$iothub/twin/GET/?$rid=1"), ElementsAre(testing::HasSubstr("\"reported\":{\"a\":1,")));
}

TEST_F(DeviceMqttTwin, without_the_subscription_a_patch_is_applied_in_silence) {
  client.unsubscribe({"$iothub/twin/res/#"});
  EXPECT_THAT(ask(kReported + "1", "{\"a\":1}"), IsEmpty());
  EXPECT_THAT(ask("$iothub/twin/GET/?$rid=1"), IsEmpty());
  client.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  EXPECT_THAT(ask("$iothub/twin/GET/?$rid=2"), ElementsAre(testing::HasSubstr("\"reported\":{\"a\":1,")));
}

TEST_F(DeviceMqttTwin, responses_come_in_the_order_of_the_requests) {
  EXPECT_THAT(client.send(request("$iothub/twin/GET/?$rid=1") + request(kReported + "2", "{\"a\":1}") +
                          request(kReported + "3", "{bad") + request("$iothub/twin/GET/?$rid=4") +
                          request("$iothub/twin/GET/?$rid=4")),
              ElementsAre(StartsWith("PUBLISH q0 $iothub/twin/res/200/?$rid=1 "),
                          StartsWith("PUBLISH q0 $iothub/twin/res/204/?$rid=2&$version=2 "),
                          StartsWith("PUBLISH q0 $iothub/twin/res/400/?$rid=3 "),
                          StartsWith("PUBLISH q0 $iothub/twin/res/200/?$rid=4 "),
                          StartsWith("PUBLISH q0 $iothub/twin/res/200/?$rid=4 ")));
}

TEST_F(DeviceMqttTwin, a_patch_with_qos_1_is_acknowledged_once_it_is_stored) {
  hub.stores.faults.hold_commits = true;
  EXPECT_THAT(
      client.publish("$iothub/twin/PATCH/properties/reported/", "{}", QoS::at_least_once, PacketId{7}),
      IsEmpty());
  hub.stores.release_commits();
  hub.stores.faults.hold_commits = false;
  hub.loop.run();
  EXPECT_EQ(client.packets(), Packets{"PUBACK 7"});
}

TEST_F(DeviceMqttTwin, a_refused_patch_is_acknowledged_too) {
  EXPECT_THAT(client.publish(kReported + "1", "{bad", QoS::at_least_once, PacketId{7}),
              ElementsAre("PUBACK 7", StartsWith("PUBLISH q0 $iothub/twin/res/400/?$rid=1 ")));
}

TEST_F(DeviceMqttTwin, a_get_with_qos_1_is_acknowledged_at_once) {
  EXPECT_THAT(client.publish("$iothub/twin/GET/?$rid=1", "", QoS::at_least_once, PacketId{7}),
              ElementsAre("PUBACK 7", StartsWith("PUBLISH q0 $iothub/twin/res/200/?$rid=1 ")));
}

TEST_F(DeviceMqttTwin, a_module_has_a_twin_of_its_own) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  SimDevice other(hub, m1);
  other.connect();
  other.subscribe({{"$iothub/twin/res/#", QoS::at_most_once}});
  EXPECT_EQ(other.publish(kReported + "1", "{\"m\":1}", QoS::at_most_once),
            Packets{"PUBLISH q0 $iothub/twin/res/204/?$rid=1&$version=2 "});
  EXPECT_THAT(ask("$iothub/twin/GET/?$rid=1"),
              ElementsAre(testing::HasSubstr("\"reported\":{\"$version\":1}")));
}

TEST_F(DeviceMqttTwin, requests_beyond_the_bound_wait_and_are_answered_in_the_end) {
  hub.stores.faults.hold_commits = true;
  std::string bytes;
  const std::size_t count = 3 * limits::kDeviceRequestsMax;
  for (std::size_t i = 0; i < count; ++i) bytes += request(kReported + std::to_string(i), "{\"a\":1}");
  client.send(bytes);
  EXPECT_FALSE(client.link().hub_is_reading());
  hub.stores.release_commits();
  hub.stores.faults.hold_commits = false;
  hub.loop.run();
  EXPECT_TRUE(client.link().hub_is_reading());
  const Packets answers = client.packets();
  ASSERT_THAT(answers, SizeIs(count));
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_THAT(answers[i], StartsWith("PUBLISH q0 $iothub/twin/res/204/?$rid=" + std::to_string(i) +
                                       "&$version=" + std::to_string(i + 2)));
  }
}

TEST_F(DeviceMqttTwin,
       a_flood_of_gets_of_a_peer_that_does_not_read_stays_bounded_and_is_served_when_it_reads) {
  ask(kReported + "0", "{\"a\":\"" + std::string(4000, 'x') + "\"}");
  client.link().stall();
  std::string bytes;
  constexpr std::size_t kGets = 2000;
  for (std::size_t i = 0; i < kGets; ++i) bytes += request("$iothub/twin/GET/?$rid=1");
  client.send(bytes);
  EXPECT_FALSE(client.link().hub_is_reading());
  EXPECT_FALSE(client.closed());
  client.link().unstall();
  hub.loop.run();
  EXPECT_THAT(client.packets(), SizeIs(kGets));
  EXPECT_TRUE(client.link().hub_is_reading());
}

TEST_F(DeviceMqttTwin, an_answer_for_a_connection_that_ended_is_dropped) {
  client.link().send(request("$iothub/twin/GET/?$rid=1"));
  client.link().drop();
  hub.loop.run();
  EXPECT_THAT(client.packets(), IsEmpty());
}

// A takeover meets a change whose commit is under way. What is committed after the successor's CONNACK
// reaches it by the session it keeps; what was committed before is in the twin that it reads (2.9, 6.5).
TEST_F(DeviceMqttTwin, a_change_committed_after_a_takeover_reaches_the_new_connection) {
  const auto change = [this](std::string_view body) {
    UpdateTwin update;
    update.identity = device("d1");
    update.desired = *parse_json(body);
    update.reply = Reply<TwinView>(hub.executor(0), [](Result<TwinView>) {});
    hub.router().send(std::move(update));
    hub.loop.run();
  };
  client.subscribe({{"$iothub/twin/PATCH/properties/desired/#", QoS::at_least_once}}, 2);
  hub.stores.faults.hold_commits = true;
  change(R"({"x":1})");
  SimDevice successor{hub, hub.get(device("d1"))->record, 1};
  EXPECT_EQ(successor.connect(), Packets{"CONNACK 0 present"});
  EXPECT_TRUE(client.closed());
  change(R"({"x":2})");
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_EQ(
      successor.packets(),
      (Packets{R"(PUBLISH q0 $iothub/twin/PATCH/properties/desired/?$version=2 {"x":1,"$version":2})",
               R"(PUBLISH q0 $iothub/twin/PATCH/properties/desired/?$version=3 {"x":2,"$version":3})"}));
  EXPECT_THAT(client.packets(), IsEmpty());
}

TEST_F(DeviceMqttTwin, a_change_committed_while_nobody_is_connected_is_in_the_twin_that_the_next_one_reads) {
  client.subscribe({{"$iothub/twin/PATCH/properties/desired/#", QoS::at_least_once}}, 2);
  client.drop();
  UpdateTwin update;
  update.identity = device("d1");
  update.desired = *parse_json(R"({"x":1})");
  update.reply = Reply<TwinView>(hub.executor(0), [](Result<TwinView>) {});
  hub.router().send(std::move(update));
  hub.loop.run();
  SimDevice successor{hub, hub.get(device("d1"))->record, 1};
  EXPECT_EQ(successor.connect(), Packets{"CONNACK 0 present"});
  EXPECT_EQ(successor.publish("$iothub/twin/GET/?$rid=1", "", QoS::at_most_once),
            Packets{"PUBLISH q0 $iothub/twin/res/200/?$rid=1 "
                    R"({"desired":{"x":1,"$version":2},"reported":{"$version":1}})"});
}

}  // namespace
}  // namespace kyanite::test
