// The queries that tools and SDK samples send, letter for letter (spec service-rest.md 6.8).
#include <gtest/gtest.h>

#include "protocol/query/query_aggregation.h"
#include "protocol/query/query_evaluator.h"

namespace kyanite {
namespace {

constexpr const char* kExplorerList =
    "\nSELECT deviceId as DeviceId,\n    status as Status,\n    lastActivityTime as LastActivityTime,\n    "
    "statusUpdatedTime as StatusUpdatedTime,\n    authenticationType as AuthenticationType,\n    "
    "cloudToDeviceMessageCount as CloudToDeviceMessageCount,\n    connectionState as ConnectionState,\n    "
    "capabilities.iotEdge as IotEdge,\n    modelId as ModelId FROM devices";

const Json& device() {
  static const Json kDevice = *parse_json(R"({
    "deviceId":"ab1","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Disconnected",
    "lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,"authenticationType":"sas","modelId":"",
    "tags":{"location":{"plant":"X"},"x":"y"},"properties":{"desired":{},"reported":{"connectivity":
    {"type":"cellular"},"telemetryConfig":{"status":"ok"},"lastDesiredStatus":{"code":200}}},
    "capabilities":{"iotEdge":true},"parentScopes":["ms-azure-iot-edge://e-1"],"deviceScope":"s",
    "configurations":{"id":{"status":"Applied"}}})");
  return kDevice;
}

Query parsed(const std::string& text) {
  Result<Query> query = parse_query(text);
  EXPECT_TRUE(query) << text << ": " << query.error().detail;
  return query ? std::move(*query) : Query();
}

TEST(ToolQueries, R76_the_list_of_explorer_yields_its_aliases) {
  const Query query = parsed(kExplorerList);
  ASSERT_TRUE(matches(query, device()));
  EXPECT_EQ(
      dump_json(project(query, device())),
      R"({"DeviceId":"ab1","Status":"enabled","LastActivityTime":"0001-01-01T00:00:00Z",)"
      R"("StatusUpdatedTime":"0001-01-01T00:00:00Z","AuthenticationType":"sas","CloudToDeviceMessageCount":0,)"
      R"("ConnectionState":"Disconnected","IotEdge":true,"ModelId":""})");
}

TEST(ToolQueries, R81_the_filters_of_explorer) {
  const std::string list = kExplorerList;
  EXPECT_TRUE(matches(parsed(list + " WHERE STARTSWITH(devices.deviceId, 'ab')"), device()));
  EXPECT_FALSE(matches(parsed(list + " WHERE STARTSWITH(devices.deviceId, 'b')"), device()));
  EXPECT_TRUE(matches(parsed(list + " WHERE (capabilities.iotEdge=true AND status='enabled')"), device()));
}

TEST(ToolQueries, of_the_command_line_and_configurations_and_samples) {
  for (const char* text :
       {"select * from devices", "select * from devices where capabilities.iotEdge = true",
        "SELECT deviceId, deviceScope FROM devices",
        "select * from devices where array_contains(parentScopes, 'ms-azure-iot-edge://e-1')",
        "select deviceId from devices where configurations.[[id]].status = 'Applied'",
        "select deviceId from devices where tags.x = 'y'",
        "SELECT deviceId, moduleId FROM devices.modules WHERE properties.reported.lastDesiredStatus.code = "
        "200",
        "SELECT * FROM devices.modules WHERE deviceId in ['ab1']",
        "SELECT deviceId FROM devices WHERE is_defined(tags.x) AND tags.x IN ['y','b']",
        "SELECT * FROM devices WHERE tags.location.plant = 'X' AND properties.reported.connectivity.type = "
        "'cellular'"}) {
    EXPECT_TRUE(matches(parsed(text), device())) << text;
  }
}

TEST(ToolQueries, aggregates_of_the_samples) {
  for (const char* text : {"SELECT COUNT() AS n FROM devices",
                           "SELECT properties.reported.telemetryConfig.status AS status, COUNT() AS "
                           "numberOfDevices FROM devices "
                           "GROUP BY properties.reported.telemetryConfig.status"}) {
    const Query query = parsed(text);
    QueryAggregation aggregation(query);
    ASSERT_TRUE(aggregation.add(device()));
    ASSERT_EQ(aggregation.rows("", 10).size(), 1U);
  }
}

TEST(ToolQueries, R85_device_jobs) {
  const Query query = parsed("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j1'");
  EXPECT_TRUE(matches(query, *parse_json(R"({"jobId":"j1"})")));
  EXPECT_FALSE(matches(query, *parse_json(R"({"jobId":"j2"})")));
  EXPECT_TRUE(matches(parsed("SELECT * FROM devices.jobs WHERE jobId = 'j1' AND endTimeUtc > '2026-01-01'"),
                      *parse_json(R"({"jobId":"j1","endTimeUtc":"2026-01-05T10:00:01.1230000Z"})")));
}

}  // namespace
}  // namespace kyanite
