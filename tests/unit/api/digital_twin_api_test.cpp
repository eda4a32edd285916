#include <gmock/gmock.h>

#include <memory>

#include "tests/support/sim_device.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::HasSubstr;

class DigitalTwinApi : public ::testing::Test {
 protected:
  RestAnswer patch(const std::string& body, const std::string& if_match = {}) {
    RestRequest request{"PATCH", "/digitaltwins/d1", body, {}};
    if (!if_match.empty()) request.headers.emplace_back("if-match", if_match);
    return rest.ask(std::move(request));
  }
  RestHub rest;
};

TEST_F(DigitalTwinApi, R110_a_device_without_model) {
  rest.hub.add(device("d1"));
  const RestAnswer answer = rest.get("/digitaltwins/d1");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"$dtId":"d1","$metadata":{"$model":""}})");
  EXPECT_EQ(answer.headers.at("etag"), rest.get("/twins/d1").headers.at("etag"));
  EXPECT_EQ(answer.headers.at("content-type"), "application/json; charset=utf-8");
}

TEST_F(DigitalTwinApi, unknown_devices_and_missing_rights) {
  EXPECT_EQ(rest.get("/digitaltwins/none").error_name(), "DeviceNotFound");
  EXPECT_EQ(patch("[]").error_name(), "DeviceNotFound");
  EXPECT_EQ(rest.ask({"GET", "/digitaltwins/d1", {}, {}, "registryReadWrite"}).status, 401);
  EXPECT_EQ(rest.ask({"GET", "/digitaltwins/d1", {}, {}, "service"}).status, 404);
}

TEST_F(DigitalTwinApi, a_patch_becomes_desired_properties) {
  rest.hub.add(device("d1"));
  const RestAnswer answer = patch(R"([{"op":"add","path":"/t/target","value":21}])");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.headers.count("content-type"), 0u);
  EXPECT_EQ(answer.headers.at("location"), "https://hub.example.test/digitaltwins/d1");
  const RestAnswer twin = rest.get("/twins/d1");
  EXPECT_EQ(answer.headers.at("etag"), twin.headers.at("etag"));
  EXPECT_EQ(dump_json(twin.json["properties"]["desired"]["t"]), R"({"__t":"c","target":21})");
  EXPECT_EQ(rest.get("/digitaltwins/d1").json["t"]["target"], 21);
}

TEST_F(DigitalTwinApi, a_patch_answers_to_if_match) {
  rest.hub.add(device("d1"));
  const std::string body = R"([{"op":"add","path":"/a","value":1}])";
  EXPECT_EQ(patch(body, "\"AAAAAAAAAAE=\"").status, 202);
  EXPECT_EQ(patch(body, "\"AAAAAAAAAAE=\"").error_name(), "PreconditionFailed");
  EXPECT_EQ(patch(body, "*").status, 202);
  EXPECT_EQ(patch("[]").status, 202);
  EXPECT_EQ(rest.get("/twins/d1").json["properties"]["desired"]["$version"], 3);
}

TEST_F(DigitalTwinApi, patches_that_race_all_take_effect) {
  rest.hub.add(device("d1"));
  std::vector<int> statuses;
  for (int i = 0; i < 4; ++i) {
    const std::string body = R"([{"op":"add","path":"/c/p)" + std::to_string(i) + R"(","value":{"n":1}}])";
    rest.router.handle(rest.parse({"PATCH", "/digitaltwins/d1", body, {}}),
                       Reply<HttpResponse>(rest.hub.executor(0), [&statuses](Result<HttpResponse> response) {
                         statuses.push_back(response->status);
                       }));
  }
  rest.hub.loop.run();
  EXPECT_EQ(statuses, std::vector<int>(4, 202));
  EXPECT_EQ(rest.get("/digitaltwins/d1").json["c"].size(), 5u);
}

TEST_F(DigitalTwinApi, bad_patches_are_told_why) {
  rest.hub.add(device("d1"));
  EXPECT_EQ(patch("{").error_name(), "IotHubFormatError");
  EXPECT_EQ(patch(R"([{"op":"add","path":"/$x","value":1}])").error_name(), "InvalidDigitalTwinPatchPath");
  const RestAnswer answer = patch(R"([{"op":"copy","from":"/a","path":"/b"}])");
  EXPECT_EQ(answer.error_name(), "InvalidDigitalTwinPatch");
  EXPECT_THAT(answer.body, HasSubstr("add, replace or remove"));
  EXPECT_EQ(answer.status, 400);
}

class Commands : public DigitalTwinApi {
 protected:
  // Calls while the device is connected, answers with `status` and `body`, and gives the first packet.
  std::string call(const std::string& target, const std::string& payload, const std::string& status,
                   const std::string& body) {
    SimDevice link(rest.hub, rest.hub.add(device("d1")), 1);
    link.connect();
    link.subscribe({{"$iothub/methods/POST/#", mqtt::QoS::at_most_once}});
    rest.router.handle(rest.parse({"POST", target, payload, {}}),
                       Reply<HttpResponse>(rest.hub.executor(0), [this](Result<HttpResponse> response) {
                         answer = std::move(*response);
                       }));
    rest.hub.loop.run();
    const std::vector<std::string> packets = link.packets();
    EXPECT_EQ(packets.size(), 1u);
    if (packets.empty()) return {};
    const std::string mark = "/?$rid=";
    const std::size_t rid = packets[0].find(mark) + mark.size();
    const std::string id = packets[0].substr(rid, packets[0].find(' ', rid) - rid);
    link.publish("$iothub/methods/res/" + status + "/?$rid=" + id, body, mqtt::QoS::at_most_once);
    return packets[0];
  }
  std::string header(const std::string& name) const {
    for (const auto& [known, value] : answer->headers) {
      if (known == name) return value;
    }
    return {};
  }
  std::optional<HttpResponse> answer;
};

TEST_F(Commands, R111_a_component_command_is_a_method_with_a_star) {
  const std::string packet = call("/digitaltwins/d1/components/t/commands/go?responseTimeoutInSeconds=10",
                                  R"({"a": 1})", "201", "[1.0]");
  EXPECT_THAT(packet, HasSubstr("$iothub/methods/POST/t*go/?$rid="));
  EXPECT_THAT(packet, HasSubstr(R"( {"a": 1})"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "[1.0]");
  EXPECT_EQ(header("x-ms-command-statuscode"), "201");
}

TEST_F(Commands, R111_R112_a_root_command_without_payload) {
  const std::string packet = call("/digitaltwins/d1/commands/reboot", "", "500", "");
  EXPECT_THAT(packet, HasSubstr("$iothub/methods/POST/reboot/?$rid="));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "null");
  EXPECT_EQ(header("x-ms-command-statuscode"), "500");
}

TEST_F(DigitalTwinApi, R112_an_error_of_a_command_is_nested_and_has_no_status_header) {
  rest.hub.add(device("d1"));
  const RestAnswer offline = rest.ask({"POST", "/digitaltwins/d1/commands/c", "null", {}});
  EXPECT_EQ(offline.status, 404);
  EXPECT_EQ(offline.headers.at("iothub-errorcode"), "DeviceNotOnline");
  EXPECT_EQ(offline.headers.count("x-ms-command-statuscode"), 0u);
  EXPECT_EQ(offline.json["ExceptionMessage"], "");
  for (const char* target : {"/digitaltwins/d1/commands/c?responseTimeoutInSeconds=4",
                             "/digitaltwins/d1/commands/c?connectTimeoutInSeconds=x",
                             "/digitaltwins/d1/commands/c?connectTimeoutInSeconds=40"}) {
    EXPECT_EQ(rest.ask({"POST", target, "null", {}}).headers.at("iothub-errorcode"), "ArgumentInvalid")
        << target;
  }
  EXPECT_EQ(rest.ask({"POST", "/digitaltwins/d1/commands/c", "{", {}}).headers.at("iothub-errorcode"),
            "IotHubFormatError");
}

}  // namespace
}  // namespace kyanite::test
