#include <gmock/gmock.h>

#include "protocol/auth/certificate_chain.h"
#include "server/api/event_json.h"
#include "tests/support/sim_device.h"
#include "tests/support/test_certificates.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

TEST(StatisticsApi, devices_are_counted_by_status) {
  RestHub rest;
  rest.put("/devices/a", "{}");
  rest.put("/devices/b", R"({"status":"disabled"})");
  EXPECT_EQ(rest.get("/statistics/devices").body,
            R"({"totalDeviceCount":2,"enabledDeviceCount":1,"disabledDeviceCount":1})");
  EXPECT_EQ(rest.get("/statistics/service").body, R"({"connectedDeviceCount":0})");
}

TEST(StatisticsApi, a_connected_device_is_counted_and_shown_as_connected) {
  RestHub rest;
  const IdentityRecord record = rest.hub.add({"d1", {}});
  SimDevice device(rest.hub, record);
  device.connect();
  EXPECT_EQ(rest.get("/statistics/service").body, R"({"connectedDeviceCount":1})");
  EXPECT_EQ(rest.get("/devices/d1").json["connectionState"], "Connected");
  EXPECT_EQ(rest.get("/twins/d1").json["connectionState"], "Connected");
}

TEST(StatisticsApi, R48_connections_and_telemetry_leave_the_etag_alone) {
  RestHub rest;
  SimDevice device(rest.hub, rest.hub.add({"d1", {}}));
  const Json before = rest.get("/devices/d1").json;
  device.connect();
  device.telemetry("", "x");
  const Json connected = rest.get("/devices/d1").json;
  rest.hub.loop.advance(seconds(1));
  device.disconnect();
  const Json after = rest.get("/devices/d1").json;
  EXPECT_EQ(connected["connectionState"], "Connected");
  EXPECT_NE(connected["connectionStateUpdatedTime"], before["connectionStateUpdatedTime"]);
  EXPECT_EQ(after["connectionState"], "Disconnected");
  EXPECT_NE(after["connectionStateUpdatedTime"], connected["connectionStateUpdatedTime"]);
  EXPECT_EQ(after["etag"], before["etag"]);
}

TEST(EventApi, telemetry_of_a_device_arrives_with_what_the_hub_stamps) {
  RestHub rest;
  SimDevice device(rest.hub, rest.hub.add({"d1", {}}));
  device.connect();
  device.telemetry("$.mid=m1&level=high&flag", "{id=123}");
  const std::vector<TelemetryRecord> records = rest.hub.telemetry();
  ASSERT_EQ(records.size(), 1u);
  const Json json = *parse_json(event_to_json(records[0], {0}));
  EXPECT_EQ(json["body"], "{id=123}");
  EXPECT_EQ(json["properties"].dump(), R"({"level":"high","flag":null})");
  EXPECT_EQ(json["systemProperties"]["message-id"], "m1");
  EXPECT_EQ(json["systemProperties"]["iothub-connection-device-id"], "d1");
  EXPECT_EQ(json["systemProperties"]["iothub-connection-auth-generation-id"],
            rest.get("/devices/d1").json["generationId"]);
}

TEST(StatusApi, the_status_tells_what_an_operator_looks_at_first) {
  RestHub rest;
  rest.put("/devices/a", "{}");
  rest.hub.loop.advance(seconds(90));
  rest.hub.stores.set_pressure(StorePressure::disk_low);
  RestAnswer answer = rest.get("/kyanite/v1/status");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["version"], "1.2.3");
  EXPECT_EQ(answer.json["hostNames"][0], SimHub::host());
  EXPECT_EQ(answer.json["startTime"], "2026-01-05T10:00:00.0000000Z");
  EXPECT_EQ(answer.json["uptimeSeconds"], 90);
  EXPECT_EQ(answer.json["shards"], 3);
  EXPECT_EQ(answer.json["devices"].dump(), R"({"total":1,"enabled":1,"disabled":0,"connected":0})");
  ASSERT_EQ(answer.json["telemetry"]["partitions"].size(), 4u);
  EXPECT_EQ(answer.json["telemetry"]["partitions"][1].dump(),
            R"({"partition":1,"beginOffset":0,"endOffset":0,"lastEnqueuedTime":null})");
  EXPECT_EQ(answer.json["store"]["pressure"], "diskLow");
}

TEST(CaCertificateApi, a_certificate_is_added_listed_and_deleted) {
  RestHub rest;
  const TestCertificate ca = make_ca("Factory CA");
  const Json body = {{"certificate", ca.certificate_pem}, {"isVerified", true}};
  RestAnswer added = rest.put("/kyanite/v1/ca-certificates/factory", body.dump());
  ASSERT_EQ(added.status, 200) << added.body;
  EXPECT_EQ(added.json["name"], "factory");
  EXPECT_EQ(added.json["isVerified"], true);
  const Json list = rest.get("/kyanite/v1/ca-certificates").json["caCertificates"];
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].dump(), added.json.dump());
  const auto der = pem_to_der(list[0]["certificate"].get<std::string>());
  ASSERT_TRUE(der);
  EXPECT_EQ(der->at(0), ca.certificate_der);
  EXPECT_EQ(rest.del("/kyanite/v1/ca-certificates/factory").status, 204);
  EXPECT_EQ(rest.get("/kyanite/v1/ca-certificates").json["caCertificates"].size(), 0u);
  EXPECT_EQ(rest.del("/kyanite/v1/ca-certificates/factory").status, 404);
}

TEST(CaCertificateApi, what_is_no_ca_certificate_is_400) {
  RestHub rest;
  const TestCertificate leaf = make_leaf(make_ca(), {"x"});
  for (const Json& body : {Json{{"certificate", leaf.certificate_pem}}, Json{{"certificate", "AAAA"}},
                           Json{{"certificate", 1}}, Json::object(), Json::array()}) {
    EXPECT_EQ(rest.put("/kyanite/v1/ca-certificates/x", body.dump()).status, 400) << body;
  }
}

}  // namespace
}  // namespace kyanite::test
