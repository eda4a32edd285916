#include <gtest/gtest.h>

#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

const std::string kContent = R"("content":{"deviceContent":{"properties.desired.a":1}})";

TEST(ConfigurationApi, R107_the_document_of_a_configuration) {
  RestHub rest;
  rest.hub.add(device("d1"));
  const RestAnswer made = rest.put(
      "/configurations/c-1", "{" + kContent +
                                 R"(,"id":"c-1","schemaVersion":"2.0","labels":{"k":"v"},"targetCondition":)"
                                 R"("deviceId = 'd1'","priority":10,"etag":"*",)"
                                 R"("metrics":{"queries":{"m":"SELECT deviceId FROM devices"}}})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.headers.at("etag"), "\"MQ==\"");
  const RestAnswer shown = rest.get("/configurations/c-1");
  EXPECT_EQ(
      shown.body,
      R"({"id":"c-1","schemaVersion":"2.0","labels":{"k":"v"},)" + kContent +
          R"(,"targetCondition":"deviceId = 'd1'","createdTimeUtc":"2026-01-05T10:00:00.0000000Z",)"
          R"("lastUpdatedTimeUtc":"2026-01-05T10:00:00.0000000Z","priority":10,"systemMetrics":{"results":)"
          R"({"targetedCount":1,"appliedCount":1},"queries":{"targetedCount":)"
          R"("select deviceId from devices where deviceId = 'd1'","appliedCount":)"
          R"("select deviceId from devices where configurations.[[c-1]].status = 'Applied'"}},)"
          R"("metrics":{"results":{"m":1},"queries":{"m":"SELECT deviceId FROM devices"}},"etag":"MQ=="})");
  EXPECT_EQ(rest.get("/configurations").json, Json::array({shown.json}));
  EXPECT_EQ(rest.get("/twins/d1").json["configurations"]["c-1"]["status"], "Applied");
  EXPECT_EQ(rest.put("/configurations/c-1", "{" + kContent + "}").error_name(), "ConfigurationAlreadyExists");
  EXPECT_EQ(rest.put("/configurations/c-1", "{" + kContent + "}", "\"x\"").error_name(),
            "PreconditionFailed");
  EXPECT_EQ(rest.put("/configurations/c-1", "{" + kContent + "}", "MQ==").json["etag"], "Mg==");
  EXPECT_EQ(rest.del("/configurations/c-1", "").status, 204);
  EXPECT_EQ(rest.get("/configurations/c-1").error_name(), "ConfigurationNotFound");
}

TEST(ConfigurationApi, registries_and_services_may_write) {
  RestHub rest;
  const auto put = [&](const char* policy) {
    return rest
        .ask({"PUT", std::string("/configurations/c"), "{" + kContent + "}", {{"if-match", "*"}}, policy})
        .status;
  };
  EXPECT_EQ(put("registryRead"), 401);
  EXPECT_EQ(put("device"), 401);
  EXPECT_EQ(put("service"), 404);
  EXPECT_EQ(put("registryReadWrite"), 404);
  EXPECT_EQ(rest.ask({"GET", "/configurations", {}, {}, "registryRead"}).status, 200);
}

TEST(ConfigurationApi, a_list_is_bounded_by_top) {
  RestHub rest;
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_EQ(rest.put(std::string("/configurations/") + id, "{" + kContent + "}").status, 200);
  }
  EXPECT_EQ(rest.get("/configurations?top=2").json.size(), 2u);
  EXPECT_EQ(rest.get("/configurations?top=0").error_name(), "ArgumentInvalid");
}

TEST(ConfigurationApi, R109_content_for_one_device) {
  RestHub rest;
  IdentityRecord edge = wanted(device("edge"));
  edge.iot_edge = true;
  ASSERT_TRUE(rest.hub.put(edge));
  rest.hub.add(device("plain"));
  const auto apply = [&](const char* id, const std::string& body) {
    return rest.ask({"POST", std::string("/devices/") + id + "/applyConfigurationContent", body, {}});
  };
  const std::string content =
      R"({"modulesContent":{"$edgeAgent":{"properties.desired":{"a":1}},"m":{"properties.desired.b":2}}})";
  EXPECT_EQ(apply("edge", content).status, 204);
  EXPECT_EQ(rest.get("/twins/edge/modules/m").json["properties"]["desired"]["b"], 2);
  EXPECT_EQ(rest.get("/devices/edge/modules/m").json["managedBy"], "iotEdge");
  EXPECT_EQ(apply("plain", content).error_name(), "ArgumentInvalid");
  EXPECT_EQ(apply("none", content).error_name(), "DeviceNotFound");
  EXPECT_EQ(apply("edge", "{" + kContent + "}").error_name(), "InvalidConfigurationContent");
  EXPECT_EQ(apply("edge", R"({"modulesContent":{"m":{}}})").error_name(), "InvalidConfigurationContent");
  EXPECT_EQ(apply("edge", "{").error_name(), "IotHubFormatError");
}

}  // namespace
}  // namespace kyanite::test
