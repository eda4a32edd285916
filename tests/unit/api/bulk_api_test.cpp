#include <gmock/gmock.h>

#include "protocol/base/base64.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::StartsWith;

class BulkApi : public ::testing::Test {
 protected:
  RestHub rest;

  RestAnswer bulk(const std::string& items) { return rest.ask({"POST", "/devices/", items, {}}); }
  RestAnswer keys(const std::string& body) {
    return rest.ask({"POST", "/devices/keys/regenerate", body, {}});
  }
  Json device(const std::string& id) { return rest.get("/devices/" + id).json; }
  Json twin(const std::string& id) { return rest.get("/twins/" + id).json; }
  // "id/module code operation" of each error.
  static std::vector<std::string> errors(const RestAnswer& answer) {
    std::vector<std::string> lines;
    for (const Json& error : answer.json.at("errors")) {
      lines.push_back(error.at("deviceId").get<std::string>() + "/" +
                      (error.at("moduleId").is_null() ? "" : error.at("moduleId").get<std::string>()) + " " +
                      error.at("errorCode").dump() + " " + error.at("operation").get<std::string>());
    }
    return lines;
  }
  static std::string many(int count) {
    std::string items;
    for (int i = 0; i < count; ++i)
      items += (i ? "," : "") + std::string(R"({"id":"d)") + std::to_string(i) + "\"}";
    return "[" + items + "]";
  }
};

using Lines = std::vector<std::string>;

TEST_F(BulkApi, R55_good_items_are_applied_beside_one_that_is_refused) {
  rest.put("/devices/old", "{}");
  const RestAnswer answer = bulk(R"([{"id":"a","importMode":"create"},{"id":"old","importMode":"Create"},
                                     {"id":"b","ImportMode":"create"}])");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.headers.at("iothub-errorcode"), "BulkRegistryOperationFailure");
  EXPECT_EQ(answer.headers.at("iothuberrorcode"), "BulkRegistryOperationFailure");
  EXPECT_EQ(answer.json["isSuccessful"], false);
  EXPECT_EQ(answer.json["warnings"], Json::array());
  EXPECT_EQ(errors(answer), Lines{"old/ 409001 create"});
  EXPECT_EQ(device("a")["status"], "enabled");
  EXPECT_EQ(device("b")["deviceId"], "b");
}

TEST_F(BulkApi, R56_at_most_a_hundred_items) {
  const RestAnswer refused = bulk(many(101));
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.error_name(), "TooManyDevices");
  const RestAnswer taken = bulk(many(100));
  EXPECT_EQ(taken.status, 200);
  EXPECT_EQ(taken.json["isSuccessful"], true);
  EXPECT_EQ(rest.get("/devices").json.size(), 100u);
  EXPECT_EQ(bulk("[]").status, 200);
}

TEST_F(BulkApi, R56_an_identity_that_is_listed_twice_is_left_alone) {
  const RestAnswer answer = bulk(R"([{"id":"a"},{"id":"b"},{"id":"a","status":"disabled"}])");
  EXPECT_EQ(errors(answer), (Lines{"a/ 400011 createOrUpdate", "a/ 400011 createOrUpdate"}));
  EXPECT_EQ(rest.get("/devices/a").status, 404);
  EXPECT_EQ(rest.get("/devices/b").status, 200);
}

TEST_F(BulkApi, R57_deletes_with_and_without_etag) {
  bulk(many(4));
  EXPECT_EQ(bulk(R"([{"id":"d0","importMode":"deleteIfMatchEtag","etag":"*"}])").status, 200);
  EXPECT_EQ(bulk(R"([{"id":"d1","importMode":"delete"}])").status, 200);
  const std::string etag = device("d2")["etag"].get<std::string>();
  EXPECT_EQ(errors(bulk(R"([{"id":"d2","importMode":"deleteIfMatchETag","eTag":"x"},
                            {"id":"d3","importMode":"deleteIfMatchETag"},
                            {"id":"d0","importMode":"delete"}])")),
            (Lines{"d2/ 412001 deleteIfMatchETag", "d3/ 412001 deleteIfMatchETag", "d0/ 404001 delete"}));
  EXPECT_EQ(bulk(R"([{"id":"d2","importMode":"deleteIfMatchETag","eTag":")" + etag + R"("}])").status, 200);
  EXPECT_EQ(rest.get("/devices").json.size(), 1u);
}

TEST_F(BulkApi, R58_without_a_mode_an_item_creates_or_updates) {
  EXPECT_EQ(bulk(R"([{"id":"a"}])").status, 200);
  const Json made = device("a");
  EXPECT_EQ(bulk(R"([{"id":"a","status":"disabled","statusReason":"why"}])").status, 200);
  EXPECT_EQ(device("a")["status"], "disabled");
  EXPECT_EQ(device("a")["generationId"], made["generationId"]);
  EXPECT_NE(device("a")["etag"], made["etag"]);
}

TEST_F(BulkApi, updates_need_the_identity_and_its_etag) {
  bulk(many(1));
  EXPECT_EQ(errors(bulk(R"([{"id":"none","importMode":"update"},
                            {"id":"d0","importMode":"updateIfMatchETag","eTag":"x"},
                            {"id":"new","importMode":"createOrUpdateIfMatchETag","eTag":"x"}])")),
            (Lines{"none/ 404001 update", "d0/ 412001 updateIfMatchETag"}));
  EXPECT_EQ(rest.get("/devices/new").status, 200);
}

TEST_F(BulkApi, R59_a_twin_is_merged) {
  bulk(R"([{"id":"a","tags":{"x":1,"y":1},"properties":{"desired":{"p":1}}}])");
  EXPECT_EQ(bulk(R"([{"id":"a","importMode":"updateTwin","tags":{"y":null,"z":2}}])").status, 200);
  EXPECT_EQ(twin("a")["tags"].dump(), R"({"x":1,"z":2})");
  EXPECT_EQ(twin("a")["properties"]["desired"]["p"], 1);
  EXPECT_EQ(errors(bulk(R"([{"id":"a","importMode":"updateTwinIfMatchETag","twinETag":"x","tags":{"q":1}},
                            {"id":"b","importMode":"updateTwin","tags":{"q":1}}])")),
            (Lines{"a/ 412001 updateTwinIfMatchETag", "b/ 404001 updateTwin"}));
  const std::string etag = twin("a")["etag"].get<std::string>();
  EXPECT_EQ(bulk(R"([{"id":"a","importMode":"updateTwinIfMatchETag","twinETag":")" + etag +
                 R"(","properties":{"desired":{"p":2}}}])")
                .status,
            200);
  EXPECT_EQ(twin("a")["properties"]["desired"]["p"], 2);
}

TEST_F(BulkApi, a_created_identity_is_born_with_its_twin) {
  EXPECT_EQ(bulk(R"([{"id":"a","importMode":"create","tags":{"x":1},
                      "properties":{"desired":{"p":{"q":2},"$version":9,"$metadata":{}},"reported":{"r":3}}},
                     {"id":"a","moduleId":"m","importMode":"create","tags":{"y":2}}])")
                .status,
            200);
  const Json made = twin("a");
  EXPECT_EQ(made["tags"].dump(), R"({"x":1})");
  EXPECT_EQ(made["version"], 2);
  EXPECT_EQ(made["etag"], "AAAAAAAAAAE=");
  const Json& desired = made["properties"]["desired"];
  EXPECT_EQ(desired["p"]["q"], 2);
  EXPECT_EQ(desired["$version"], 1);
  EXPECT_EQ(desired["$metadata"]["p"]["q"]["$lastUpdatedVersion"], 1);
  EXPECT_EQ(made["properties"]["reported"]["r"], 3);
  EXPECT_EQ(twin("a/modules/m")["tags"]["y"], 2);
}

TEST_F(BulkApi, an_update_merges_the_twin_that_it_names) {
  bulk(R"([{"id":"a","tags":{"x":1}}])");
  EXPECT_EQ(bulk(R"([{"id":"a","importMode":"update","tags":{"y":2}}])").status, 200);
  EXPECT_EQ(twin("a")["tags"].dump(), R"({"x":1,"y":2})");
  const Json before = twin("a");
  bulk(R"([{"id":"a","tags":{},"properties":{"desired":{},"reported":{}}}])");
  EXPECT_EQ(twin("a")["version"], before["version"]);
}

TEST_F(BulkApi, what_is_wrong_with_an_item_is_its_own_error) {
  const RestAnswer answer = bulk(
      R"([{"id":"a b"},{"id":"b","importMode":"upsert"},{"id":"c","status":"on"},
          {"id":"d","authentication":{"symmetricKey":{"primaryKey":"AAAA"}}},{"id":"e","tags":{"a.b":1}},
          {"id":"f","moduleId":"$x"},{"id":"g","moduleId":"m"},{"id":"h","tags":{"a":[null]}},{"id":"good"}])");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(errors(answer),
            (Lines{"a b/ 400004 createOrUpdate", "b/ 400004 createOrUpdate", "c/ 400004 createOrUpdate",
                   "d/ 400004 createOrUpdate", "e/ 400004 createOrUpdate", "f/$x 400004 createOrUpdate",
                   "g/m 404001 createOrUpdate", "h/ 400004 createOrUpdate"}));
  EXPECT_EQ(answer.json["errors"][1]["errorStatus"], "importMode is none of the known modes");
  EXPECT_EQ(rest.get("/devices").json.size(), 1u);
}

TEST_F(BulkApi, a_twin_over_its_size_leaves_no_identity) {
  const std::string big(4000, 'x');
  EXPECT_EQ(
      errors(bulk(R"([{"id":"a","tags":{"a":")" + big + R"(","b":")" + big + R"(","c":")" + big + R"("}}])")),
      Lines{"a/ 400004 createOrUpdate"});
  EXPECT_EQ(rest.get("/devices/a").status, 404);
}

TEST_F(BulkApi, a_body_that_is_no_list_of_items_is_refused_whole) {
  for (const auto* body :
       {R"({"id":"a"})", "7", R"([{"deviceId":"a"}])", R"(["a"])", R"([{"id":""}])", R"([{"id":7}])"}) {
    const RestAnswer answer = bulk(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.error_name(), "ArgumentInvalid") << body;
    EXPECT_EQ(answer.headers.count("iothuberrorcode"), 0u);
  }
  EXPECT_EQ(bulk("[{").error_name(), "IotHubFormatError");
  EXPECT_EQ(rest.ask({"POST", "/devices", "[]", {}, "registryRead"}).status, 401);
}

TEST_F(BulkApi, R50_an_edge_device_keeps_a_scope_of_its_own_name) {
  bulk(
      R"([{"id":"e","capabilities":{"iotEdge":true},"deviceScope":"ms-azure-iot-edge://e-638576316721234567"},
           {"id":"f","capabilities":{"iotEdge":true},"deviceScope":"ms-azure-iot-edge://e-638576316721234567"}])");
  EXPECT_EQ(device("e")["deviceScope"], "ms-azure-iot-edge://e-638576316721234567");
  EXPECT_THAT(device("f")["deviceScope"].get<std::string>(), StartsWith("ms-azure-iot-edge://f-"));
  EXPECT_EQ(rest.get("/devices/f/modules").json.size(), 2u);
}

TEST_F(BulkApi, R50_of_system_modules_an_import_writes_the_twin_alone) {
  bulk(R"([{"id":"e","capabilities":{"iotEdge":true}}])");
  EXPECT_EQ(bulk(R"([{"id":"e","moduleId":"$edgeHub"},
                     {"id":"e","moduleId":"$edgeAgent","properties":{"desired":{"schemaVersion":"1.1"}}}])")
                .status,
            200);
  EXPECT_EQ(twin("e/modules/$edgeAgent")["properties"]["desired"]["schemaVersion"], "1.1");
  EXPECT_EQ(errors(bulk(R"([{"id":"e","moduleId":"$edgeAgent","importMode":"delete"},
                            {"id":"e","moduleId":"$edgeHub","importMode":"update"}])")),
            (Lines{"e/$edgeAgent 401100 delete", "e/$edgeHub 401100 update"}));
}

TEST_F(BulkApi, R60_of_the_keys_the_chosen_one_is_replaced) {
  const Json made = rest.put("/devices/a", "{}").json["authentication"]["symmetricKey"];
  rest.put("/devices/a/modules/m", "{}");
  const RestAnswer answer =
      keys(R"({"PolicyKey":"PrimaryKey","devices":[{"id":"a"},{"id":"a","moduleId":"m"}]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["policyKey"], "primaryKey");
  EXPECT_EQ(answer.json["errors"], Json::array());
  const Json& rotated = answer.json["rotatedKeys"][0];
  EXPECT_NE(rotated["primaryKey"], made["primaryKey"]);
  EXPECT_EQ(rotated["secondaryKey"], made["secondaryKey"]);
  EXPECT_EQ(decode_base64(rotated["primaryKey"].get<std::string>())->size(), 32u);
  EXPECT_EQ(device("a")["authentication"]["symmetricKey"]["primaryKey"], rotated["primaryKey"]);
  EXPECT_EQ(answer.json["rotatedKeys"][1]["moduleId"], "m");
  const Json both = keys(R"({"policyKey":"both","devices":[{"id":"a"}]})").json["rotatedKeys"][0];
  EXPECT_NE(both["secondaryKey"], made["secondaryKey"]);
}

TEST_F(BulkApi, R60_some_and_none) {
  rest.put("/devices/a", "{}");
  rest.put("/devices/x", R"({"authentication":{"type":"selfSigned"}})");
  const RestAnswer some =
      keys(R"({"policyKey":"secondaryKey","devices":[{"id":"a"},{"id":"none"},{"id":"x"}]})");
  EXPECT_EQ(some.status, 207);
  EXPECT_EQ(some.json["rotatedKeys"].size(), 1u);
  EXPECT_EQ(some.json["errors"][0]["errorCode"], 404001);
  EXPECT_EQ(some.json["errors"][1]["errorCode"], 400004);
  const RestAnswer none = keys(R"({"policyKey":"secondaryKey","devices":[{"id":"none"}]})");
  EXPECT_EQ(none.status, 400);
  EXPECT_EQ(none.headers.at("iothub-errorcode"), "BulkRegenerateDeviceKeyOperationFailure");
  EXPECT_EQ(keys(R"({"policyKey":"third","devices":[{"id":"a"}]})").error_name(), "InvalidPolicyKey");
  EXPECT_EQ(keys(R"({"policyKey":"both","devices":7})").error_name(), "ArgumentInvalid");
  EXPECT_EQ(keys(R"({"policyKey":"both","devices":[{"id":"a"},{"id":"a"}]})").status, 400);
}

}  // namespace
}  // namespace kyanite::test
