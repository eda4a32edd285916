#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/hub/job_record.h"
#include "server/hub/query_service.h"
#include "tests/support/sim_device.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;

class QueryApi : public testing::Test {
 protected:
  void make(const std::string& device, const std::string& twin = "") {
    ASSERT_EQ(rest.put("/devices/" + device, R"({"deviceId":")" + device + R"("})").status, 200);
    if (!twin.empty()) patch("/twins/" + device, twin);
  }
  void make_module(const std::string& device, const std::string& module) {
    ASSERT_EQ(rest.put("/devices/" + device + "/modules/" + module, "{}").status, 200);
  }
  void patch(const std::string& target, const std::string& body) {
    ASSERT_EQ(rest.ask({"PATCH", target, body, {}}).status, 200);
  }
  RestAnswer query(const std::string& text, std::vector<std::pair<std::string, std::string>> headers = {}) {
    return rest.ask({"POST", "/devices/query", dump_json(Json{{"query", text}}), std::move(headers)});
  }
  std::string rows(const std::string& text) { return query(text).body; }
  std::string refusal(const std::string& text) {
    const RestAnswer answer = query(text);
    return std::to_string(answer.status) + " " + answer.error_name();
  }

  RestHub rest;
};

TEST_F(QueryApi, R10_the_member_query_is_found_in_any_case) {
  const RestAnswer answer = rest.ask({"POST", "/devices/query", R"({"Query":"SELECT * FROM devices"})", {}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "[]");
  EXPECT_EQ(rest.ask({"POST", "/devices%2Fquery", R"({"query":"SELECT * FROM devices"})", {}}).status, 200);
}

TEST_F(QueryApi, a_body_without_a_query_is_refused) {
  const auto refused = [this](const std::string& body) {
    const RestAnswer answer = rest.ask({"POST", "/devices/query", body, {}});
    return std::to_string(answer.status) + " " + answer.error_name();
  };
  EXPECT_EQ(refused("{}"), "400 ArgumentNull");
  EXPECT_EQ(refused(R"({"query":null})"), "400 ArgumentNull");
  EXPECT_EQ(refused(R"({"query":""})"), "400 ArgumentInvalid");
  EXPECT_EQ(refused(R"({"query":1})"), "400 ArgumentInvalid");
  EXPECT_EQ(refused("[]"), "400 IotHubFormatError");
  EXPECT_EQ(refused(""), "400 IotHubFormatError");
}

TEST_F(QueryApi, a_query_needs_the_right_of_services) {
  const std::string body = R"({"query":"SELECT * FROM devices"})";
  EXPECT_EQ(rest.ask({"POST", "/devices/query", body, {}, "service"}).status, 200);
  EXPECT_EQ(rest.ask({"POST", "/devices/query", body, {}, "registryRead"}).status, 401);
  EXPECT_EQ(rest.ask({"GET", "/devices/query", "", {}}).status, 404);  // a device of that name
}

TEST_F(QueryApi, R74_every_row_is_the_twin_as_get_shows_it) {
  make("d1", R"({"tags":{"site":{"hall":3}},"properties":{"desired":{"a":[1,{"b":2.50}]}}})");
  make("d2");
  make_module("d1", "m1");
  patch("/twins/d1/modules/m1", R"({"tags":{"x":1}})");
  const RestAnswer devices = query("SELECT * FROM devices");
  EXPECT_EQ(devices.headers.at("x-ms-item-type"), "Twin");
  EXPECT_THAT(devices.headers.at("content-type"), testing::HasSubstr("application/json"));
  EXPECT_EQ(devices.body, "[" + rest.get("/twins/d1").body + "," + rest.get("/twins/d2").body + "]");
  const RestAnswer modules = query("SELECT * FROM devices.modules");
  EXPECT_EQ(modules.headers.at("x-ms-item-type"), "Twin");
  EXPECT_EQ(modules.body, "[" + rest.get("/twins/d1/modules/m1").body + "]");
  EXPECT_EQ(query("SELECT deviceId FROM devices").headers.at("x-ms-item-type"), "Raw");
}

TEST_F(QueryApi, R74_a_connected_device_looks_the_same_in_both) {
  SimDevice device(rest.hub, rest.hub.add({"d1", ""}), 1);
  device.connect();
  ASSERT_EQ(rest.ask({"POST", "/devices/d1/messages/deviceBound", "hello", {}}).status, 204);
  const RestAnswer twin = rest.get("/twins/d1");
  EXPECT_EQ(twin.json["connectionState"], "Connected");
  EXPECT_EQ(twin.json["cloudToDeviceMessageCount"], 1);
  EXPECT_EQ(rows("SELECT * FROM devices"), "[" + twin.body + "]");
}

TEST_F(QueryApi, R76_the_list_of_explorer) {
  make("d1");
  EXPECT_EQ(
      rows("\nSELECT deviceId as DeviceId, status as Status, lastActivityTime as LastActivityTime, "
           "statusUpdatedTime as StatusUpdatedTime, authenticationType as AuthenticationType, "
           "cloudToDeviceMessageCount as CloudToDeviceMessageCount, connectionState as ConnectionState, "
           "capabilities.iotEdge as IotEdge, modelId as ModelId FROM devices"),
      R"([{"DeviceId":"d1","Status":"enabled","LastActivityTime":"0001-01-01T00:00:00Z",)"
      R"("StatusUpdatedTime":"0001-01-01T00:00:00Z","AuthenticationType":"sas",)"
      R"("CloudToDeviceMessageCount":0,"ConnectionState":"Disconnected","IotEdge":false,"ModelId":""}])");
}

TEST_F(QueryApi, R77_where_over_tags_and_properties) {
  make("d1", R"({"tags":{"x":"a"}})");
  make("d2", R"({"tags":{"x":"c"}})");
  make("d3", R"({"tags":{"x":"b"},"properties":{"desired":{"interval":30}}})");
  make("d4");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE is_defined(tags.x) AND tags.x IN ['a','b']"),
            R"([{"deviceId":"d1"},{"deviceId":"d3"}])");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE properties.desired.interval > 10 AND status='enabled'"),
            R"([{"deviceId":"d3"}])");
  EXPECT_EQ(rows("SELECT deviceId, properties.desired.$version v FROM devices WHERE "
                 "properties.desired.$version > 1"),
            R"([{"deviceId":"d3","v":2}])");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE properties.desired.$metadata.interval.$lastUpdated > "
                 "'2020-01-01'"),
            R"([{"deviceId":"d3"}])");
  EXPECT_EQ(rows("SELECT version, etag FROM devices WHERE deviceId = 'd4'"),
            R"([{"version":2,"etag":"AAAAAAAAAAE="}])");
}

TEST_F(QueryApi, R78_counts_and_groups) {
  for (int i = 0; i < 25; ++i) {
    make("d" + std::to_string(i), R"({"tags":{"site":")" + std::string(i % 5 == 0 ? "a" : "b") + R"("}})");
  }
  const RestAnswer count = query("SELECT COUNT() AS n FROM devices");
  EXPECT_EQ(count.body, R"([{"n":25}])");
  EXPECT_EQ(count.headers.at("x-ms-item-type"), "Raw");
  EXPECT_FALSE(count.headers.contains("x-ms-continuation"));
  EXPECT_EQ(rows("SELECT COUNT() AS n FROM devices WHERE tags.site = 'none'"), R"([{"n":0}])");
  EXPECT_EQ(rows("SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site"),
            R"([{"site":"a","n":5},{"site":"b","n":20}])");
  EXPECT_EQ(rows("SELECT connectionState AS c, COUNT() AS n FROM devices GROUP BY connectionState"),
            R"([{"c":"Disconnected","n":25}])");
}

TEST_F(QueryApi, conditions_on_live_state_are_judged_by_the_owner) {
  SimDevice device(rest.hub, rest.hub.add({"d1", ""}), 1);
  device.connect();
  make("d2", R"({"tags":{"x":1}})");
  make("d3");
  ASSERT_EQ(rest.ask({"POST", "/devices/d3/messages/deviceBound", "hello", {}}).status, 204);
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE connectionState = 'Connected'"),
            R"([{"deviceId":"d1"}])");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE connectionState = 'Disconnected' AND tags.x = 1"),
            R"([{"deviceId":"d2"}])");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE connectionState = 'Connected' OR tags.x = 1"),
            R"([{"deviceId":"d1"},{"deviceId":"d2"}])");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE lastActivityTime > '2020-01-01' AND "
                 "connectionState='Connected'"),
            R"([{"deviceId":"d1"}])");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE connectionStateUpdatedTime > '2020-01-01'"),
            R"([{"deviceId":"d1"}])");
  EXPECT_EQ(
      rows("SELECT deviceId, cloudToDeviceMessageCount FROM devices WHERE cloudToDeviceMessageCount > 0"),
      R"([{"deviceId":"d3","cloudToDeviceMessageCount":1}])");
  EXPECT_EQ(rows("SELECT COUNT() AS n FROM devices WHERE connectionState = 'Connected'"), R"([{"n":1}])");
  device.disconnect();
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE connectionState = 'Connected'"), "[]");
}

TEST_F(QueryApi, queued_messages_are_counted_for_devices_that_nobody_holds) {
  make("d1");
  make("d2");
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(rest.ask({"POST", "/devices/d2/messages/deviceBound", "hello", {}}).status, 204);
  }
  const RestAnswer list = rest.get("/devices");
  EXPECT_EQ(list.json[0]["cloudToDeviceMessageCount"], 0);
  EXPECT_EQ(list.json[1]["cloudToDeviceMessageCount"], 3);
  EXPECT_EQ(rows("SELECT cloudToDeviceMessageCount AS n FROM devices"), R"([{"n":0},{"n":3}])");
}

TEST_F(QueryApi, R79_a_name_in_brackets) {
  make("d1");
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE configurations.[[c-1]].status='Applied'"), "[]");
}

TEST_F(QueryApi, R80_errors_name_the_place) {
  for (const char* text :
       {"SELEC", "SELECT * FROM things", "SELECT * FROM devices GROUP BY tags.a",
        "SELECT * FROM devices WHERE tags.a = ';", "SELECT * FROM devices ORDER BY deviceId"}) {
    EXPECT_EQ(refusal(text), "400 ArgumentInvalid") << text;
  }
  EXPECT_EQ(query("SELEC").json["Message"],
            "ErrorCode:ArgumentInvalid;BadRequest: SELECT is expected (position 1)");
}

TEST_F(QueryApi, R81_startswith) {
  for (const char* device : {"ab1", "ab2", "ba1"}) make(device);
  EXPECT_EQ(rows("SELECT deviceId FROM devices WHERE STARTSWITH(devices.deviceId,'ab')"),
            R"([{"deviceId":"ab1"},{"deviceId":"ab2"}])");
}

TEST_F(QueryApi, R82_modules_of_a_device) {
  for (const char* device : {"d1", "d2"}) {
    make(device);
    for (const char* module : {"m2", "m1"}) make_module(device, module);
  }
  const RestAnswer answer = query("SELECT * FROM devices.modules WHERE deviceId in ['d1']");
  EXPECT_EQ(answer.headers.at("x-ms-item-type"), "Twin");
  ASSERT_EQ(answer.json.size(), 2U);
  EXPECT_EQ(answer.json[0]["moduleId"], "m1");
  EXPECT_EQ(answer.json[1]["moduleId"], "m2");
  EXPECT_EQ(rows("SELECT deviceId, moduleId FROM devices.modules WHERE moduleId = 'm1'"),
            R"([{"deviceId":"d1","moduleId":"m1"},{"deviceId":"d2","moduleId":"m1"}])");
}

TEST_F(QueryApi, R83_an_empty_result) {
  const RestAnswer answer = query("SELECT * FROM devices WHERE deviceId = 'none'");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "[]");
  EXPECT_EQ(answer.headers.at("x-ms-item-type"), "Twin");
  EXPECT_FALSE(answer.headers.contains("x-ms-continuation"));
}

TEST_F(QueryApi, R86_what_changed_is_seen_at_once) {
  make("d1");
  make("d2", R"({"tags":{"x":1}})");
  ASSERT_EQ(rest.del("/devices/d1").status, 204);
  EXPECT_EQ(rows("SELECT deviceId FROM devices"), R"([{"deviceId":"d2"}])");
  patch("/twins/d2", R"({"tags":{"x":2}})");
  EXPECT_EQ(rows("SELECT tags.x FROM devices WHERE tags.x = 2"), R"([{"x":2}])");
}

TEST_F(QueryApi, R85_rows_of_jobs_are_their_stored_outcomes) {
  const std::string text = "SELECT * FROM devices.jobs WHERE devices.jobs.jobId='k'";
  EXPECT_EQ(rows(text), "[]");
  DocumentChange change;
  for (const char* id : {"j", "k"}) {
    JobRecord job;
    job.id = id;
    for (const char* device : {"a", "b"}) {
      JobDeviceRecord outcome;
      outcome.id.device = device;
      outcome.error = Error(Errc::device_not_online);
      change.puts.push_back(
          {Collection::job_devices, job_device_key(id, outcome.id), encode_job_device(job, outcome)});
    }
  }
  ASSERT_TRUE(rest.hub.ask<void>(
      [&](Reply<void> reply) { rest.hub.stores.documents().commit(std::move(change), std::move(reply)); }));
  const RestAnswer answer = query(text);
  EXPECT_EQ(answer.headers.at("x-ms-item-type"), "DeviceJob");
  ASSERT_EQ(answer.json.size(), 2U);
  EXPECT_EQ(answer.json[1]["jobId"], "k");
  EXPECT_EQ(answer.json[1]["deviceId"], "b");
  EXPECT_TRUE(answer.json[1].contains("jobType"));
  EXPECT_FALSE(answer.json[1].contains("type"));
  EXPECT_EQ(query("SELECT * FROM devices.jobs WHERE deviceId = 'a'").json.size(), 2U);
  EXPECT_EQ(refusal("SELECT deviceId FROM devices.jobs"), "400 ArgumentInvalid");

  const RestAnswer first = query("SELECT * FROM devices.jobs", {{"x-ms-max-item-count", "3"}});
  EXPECT_EQ(first.json.size(), 3U);
  const RestAnswer second =
      query("SELECT * FROM devices.jobs",
            {{"x-ms-max-item-count", "3"}, {"x-ms-continuation", first.headers.at("x-ms-continuation")}});
  EXPECT_EQ(second.json, Json::array({answer.json[1]}));
  EXPECT_FALSE(second.headers.contains("x-ms-continuation"));
}

TEST_F(QueryApi, identities_are_found_by_a_condition) {
  make("d1", R"({"tags":{"x":1}})");
  make("d2");
  make("d3", R"({"tags":{"x":1}})");
  const auto find = [this](const std::string& condition, const Identity& after, std::size_t limit) {
    return rest.hub.ask<FoundIdentities>([&](Reply<FoundIdentities> reply) {
      rest.hub.queries().find(*parse_condition(condition), after, limit, std::move(reply));
    });
  };
  auto found = find("tags.x = 1", {}, 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->identities, (std::vector<Identity>{{"d1", ""}}));
  EXPECT_FALSE(found->at_end);
  found = find("tags.x = 1", found->last, 10);
  EXPECT_EQ(found->identities, (std::vector<Identity>{{"d3", ""}}));
  EXPECT_TRUE(found->at_end);
  EXPECT_EQ(find("*", {}, 10)->identities.size(), 3U);
}

}  // namespace
}  // namespace kyanite::test
