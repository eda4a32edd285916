#include <gmock/gmock.h>

#include <memory>

#include "tests/support/sim_device.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const mqtt::TopicRequest kListen{"$iothub/methods/POST/#", mqtt::QoS::at_most_once};

class MethodApi : public ::testing::Test {
 protected:
  // A call that goes on; it is answered while time passes.
  std::shared_ptr<std::optional<HttpResponse>> begin(const std::string& body,
                                                     const std::string& target = "/twins/d1/methods") {
    const auto answer = std::make_shared<std::optional<HttpResponse>>();
    rest.router.handle(rest.parse({"POST", target, body, {}}),
                       Reply<HttpResponse>(rest.hub.executor(0), [answer](Result<HttpResponse> response) {
                         *answer = std::move(*response);
                       }));
    rest.hub.loop.run();
    return answer;
  }
  RestAnswer call(const std::string& body, const std::string& target = "/twins/d1/methods") {
    return rest.ask({"POST", target, body, {}});
  }
  // The number inside the nested form.
  static int error_of(const std::string& body) {
    const Json outer = parse_json(body).value();
    EXPECT_EQ(outer.at("ExceptionMessage"), "");
    const Json inner = parse_json(outer.at("Message").get<std::string>()).value();
    for (const auto& member : inner) EXPECT_FALSE(member.is_structured());
    return inner.at("errorCode").get<int>();
  }
  // "ID BODY" of a request that a device got.
  static std::pair<std::string, std::string> request_of(const std::string& packet) {
    const std::string mark = "/?$rid=";
    const std::size_t rid = packet.find(mark) + mark.size();
    const std::size_t space = packet.find(' ', rid);
    return {packet.substr(rid, space - rid), packet.substr(space + 1)};
  }

  RestHub rest;
};

TEST_F(MethodApi, B70_B71_a_device_is_called_and_its_answer_is_passed_on_as_written) {
  SimDevice device(rest.hub, rest.hub.add(test::device("d1")), 1);
  device.connect();
  device.subscribe({kListen});
  const auto answer = begin(R"({"methodName":"reboot","payload":{"a": 1.0}})");
  const std::vector<std::string> packets = device.packets();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_THAT(packets[0], testing::StartsWith("PUBLISH q0 $iothub/methods/POST/reboot/?$rid="));
  const auto [rid, body] = request_of(packets[0]);
  EXPECT_THAT(rid, testing::MatchesRegex("[0-9a-f-]{1,36}"));
  EXPECT_EQ(body, R"({"a": 1.0})");
  EXPECT_FALSE(*answer);
  device.publish("$iothub/methods/res/200/?$rid=" + rid, R"({"ok":1.50})", mqtt::QoS::at_most_once);
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->status, 200);
  EXPECT_EQ((*answer)->body, R"({"status":200,"payload":{"ok":1.50}})");
}

TEST_F(MethodApi, R87_B72_the_status_of_the_device_is_not_that_of_the_request_and_no_payload_is_null) {
  SimDevice device(rest.hub, rest.hub.add(test::device("d1")), 2);
  device.connect();
  device.subscribe({kListen});
  const auto answer = begin(R"({"methodName":"m"})");
  const auto [rid, body] = request_of(device.packets().at(0));
  EXPECT_EQ(body, "");
  device.publish("$iothub/methods/res/500/?$rid=" + rid + "&x=y", "", mqtt::QoS::at_least_once, PacketId{7});
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->status, 200);
  EXPECT_EQ((*answer)->body, R"({"status":500,"payload":null})");
}

TEST_F(MethodApi, a_module_is_called_by_its_own_route) {
  rest.hub.add(test::device("d1"));
  SimDevice module(rest.hub, rest.hub.add(test::module("d1", "m1")));
  module.connect();
  module.subscribe({kListen});
  const auto answer = begin(R"({"methodName":"m","payload":null})", "/twins/d1/modules/m1/methods");
  const auto [rid, body] = request_of(module.packets().at(0));
  EXPECT_EQ(body, "null");
  module.publish("$iothub/methods/res/-1/?$rid=" + rid, "[]", mqtt::QoS::at_most_once);
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->body, R"({"status":-1,"payload":[]})");
}

TEST_F(MethodApi, R29_B73_a_device_that_does_not_listen_is_not_online) {
  SimDevice device(rest.hub, rest.hub.add(test::device("d1")));
  for (int i = 0; i < 2; ++i) {
    const RestAnswer answer = call(R"({"methodName":"m"})");
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.headers.at("iothub-errorcode"), "DeviceNotOnline");
    EXPECT_EQ(error_of(answer.body), 404103);
    device.connect();
  }
}

TEST_F(MethodApi, R91_unknown_and_disabled_devices_are_not_found) {
  EXPECT_EQ(error_of(call(R"({"methodName":"m"})").body), 404001);
  IdentityRecord record = rest.hub.add(test::device("d1"));
  EXPECT_EQ(error_of(call(R"({"methodName":"m"})", "/twins/d1/modules/none/methods").body), 404010);
  record.status = IdentityStatus::disabled;
  ASSERT_TRUE(rest.hub.put(record, IfMatch{true, {}}));
  const RestAnswer disabled = call(R"({"methodName":"m"})");
  EXPECT_EQ(disabled.status, 404);
  EXPECT_EQ(error_of(disabled.body), 404001);
}

TEST_F(MethodApi, R90_a_bad_request_is_refused_in_the_nested_form_too) {
  rest.hub.add(test::device("d1"));
  const RestAnswer answer = call(R"({"methodName":"m","responseTimeoutInSeconds":4})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(error_of(answer.body), 400004);
  EXPECT_EQ(error_of(call(R"({"methodName":"m","connectTimeoutInSeconds":60})").body), 400004);
}

TEST_F(MethodApi, B75_R89_a_call_waits_for_a_device_with_a_persisted_subscription) {
  const IdentityRecord identity = rest.hub.add(test::device("d1"));
  {
    SimDevice device(rest.hub, identity);
    device.connect();
    device.subscribe({kListen});
    device.disconnect();
  }
  const auto answer = begin(R"({"methodName":"m","connectTimeoutInSeconds":10})");
  rest.hub.loop.advance(seconds(3));
  EXPECT_FALSE(*answer);
  SimDevice device(rest.hub, identity, 1);
  const auto packets = device.connect();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0], "CONNACK 0 present");
  device.publish("$iothub/methods/res/200/?$rid=" + request_of(packets[1]).first, "1",
                 mqtt::QoS::at_most_once);
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->status, 200);
}

TEST_F(MethodApi, R88_B74_a_silent_device_times_out_and_its_late_answer_is_ignored) {
  SimDevice device(rest.hub, rest.hub.add(test::device("d1")));
  device.connect();
  device.subscribe({kListen});
  const auto answer = begin(R"({"methodName":"m","responseTimeoutInSeconds":5})");
  const auto [rid, body] = request_of(device.packets().at(0));
  rest.hub.loop.advance(seconds(5));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->status, 504);
  EXPECT_EQ(error_of((*answer)->body), 504101);
  EXPECT_THAT(
      device.publish("$iothub/methods/res/200/?$rid=" + rid, "1", mqtt::QoS::at_least_once, PacketId{3}),
      ElementsAre("PUBACK 3"));
}

TEST_F(MethodApi, the_end_of_the_connection_and_the_end_of_the_hub_answer_what_waits) {
  SimDevice device(rest.hub, rest.hub.add(test::device("d1")));
  device.connect();
  device.subscribe({kListen});
  const auto cut = begin(R"({"methodName":"m"})");
  device.drop();
  ASSERT_TRUE(*cut);
  EXPECT_EQ((*cut)->status, 504);
  EXPECT_THAT((*cut)->body, HasSubstr("connection to the device ended"));
  const auto waiting = begin(R"({"methodName":"m","connectTimeoutInSeconds":30})");
  for (std::uint16_t shard = 0; shard < rest.hub.shard_count(); ++shard) rest.hub.directory(shard).drain();
  rest.hub.loop.run();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ((*waiting)->status, 503);
  EXPECT_EQ(call(R"({"methodName":"m","connectTimeoutInSeconds":30})").status, 503);
}

TEST_F(MethodApi, an_answer_that_is_no_JSON_is_a_bad_gateway) {
  SimDevice device(rest.hub, rest.hub.add(test::device("d1")));
  device.connect();
  device.subscribe({kListen});
  const auto answer = begin(R"({"methodName":"m"})");
  const auto [rid, body] = request_of(device.packets().at(0));
  device.publish("$iothub/methods/res/200/?$rid=" + rid, "{", mqtt::QoS::at_most_once);
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->status, 502);
  EXPECT_EQ(error_of((*answer)->body), 502000);
  EXPECT_FALSE(device.closed());
}

TEST_F(MethodApi, calls_of_edge_modules_are_refused) {
  rest.hub.add(test::device("d1"));
  const RestAnswer answer = rest.ask(
      {"POST", "/twins/d1/methods", R"({"methodName":"m"})", {{"x-ms-edge-moduleid", "d1/$edgeHub"}}});
  EXPECT_EQ(answer.status, 404);
}

}  // namespace
}  // namespace kyanite::test
