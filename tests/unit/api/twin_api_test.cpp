#include <gmock/gmock.h>

#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

TEST(TwinApi, R62_a_twin_exists_from_the_creation_of_its_device_on) {
  RestHub rest;
  const Json device = rest.put("/devices/d1", "{}").json;
  RestAnswer answer = rest.get("/twins/d1");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["etag"], "\"AAAAAAAAAAE=\"");
  const Json& twin = answer.json;
  EXPECT_EQ(twin["deviceId"], "d1");
  EXPECT_EQ(twin["etag"], "AAAAAAAAAAE=");
  EXPECT_EQ(twin["deviceEtag"], device["etag"]);
  EXPECT_EQ(twin["statusUpdateTime"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(twin["connectionState"], "Disconnected");
  EXPECT_EQ(twin["modelId"], "");
  EXPECT_EQ(twin["version"], 2);
  EXPECT_EQ(twin["tags"].dump(), "{}");
  EXPECT_EQ(twin["properties"]["desired"]["$version"], 1);
  EXPECT_EQ(twin["properties"]["reported"]["$version"], 1);
  EXPECT_TRUE(twin["properties"]["desired"]["$metadata"]["$lastUpdated"].is_string());
  EXPECT_EQ(twin["capabilities"].dump(), R"({"iotEdge":false})");
  for (const auto* absent : {"moduleId", "generationId", "connectionStateUpdatedTime", "statusReason"}) {
    EXPECT_FALSE(twin.contains(absent)) << absent;
  }
}

TEST(TwinApi, a_module_has_a_twin_of_its_own) {
  RestHub rest;
  rest.put("/devices/d1", "{}");
  const Json module = rest.put("/devices/d1/modules/m", "{}").json;
  const Json twin = rest.get("/twins/d1/modules/m").json;
  EXPECT_EQ(twin["moduleId"], "m");
  EXPECT_EQ(twin["deviceEtag"], module["etag"]);
}

TEST(TwinApi, a_missing_device_or_module_is_device_not_found) {
  RestHub rest;
  rest.put("/devices/d1", "{}");
  EXPECT_EQ(rest.get("/twins/none").error_name(), "DeviceNotFound");
  EXPECT_EQ(rest.get("/twins/d1/modules/none").error_name(), "DeviceNotFound");
}

class TwinApiTest : public ::testing::Test {
 protected:
  TwinApiTest() { rest.put("/devices/d1", "{}"); }
  RestAnswer patch(std::string body, std::string if_match = {}, std::string target = "/twins/d1") {
    RestRequest request{"PATCH", std::move(target), std::move(body), {}};
    if (!if_match.empty()) request.headers.emplace_back("if-match", std::move(if_match));
    return rest.ask(std::move(request));
  }
  // As a connected device does.
  void report(std::string_view body) {
    rest.hub.ask<std::uint64_t>([&](Reply<std::uint64_t> reply) {
      rest.hub.router().send(PatchReported{{"d1", {}}, *parse_json(body), std::nullopt, std::move(reply)});
    });
  }
  RestHub rest;
};

TEST_F(TwinApiTest, R63_tags_and_desired_move_their_counters) {
  RestAnswer tags = patch(R"({"tags":{"site":1}})");
  EXPECT_EQ(tags.status, 200);
  EXPECT_EQ(tags.json["version"], 3);
  EXPECT_EQ(tags.json["etag"], "AAAAAAAAAAI=");
  EXPECT_EQ(tags.json["properties"]["desired"]["$version"], 1);
  RestAnswer desired = patch(R"({"properties":{"desired":{"x":{"y":1}}}})");
  EXPECT_EQ(desired.json["version"], 4);
  EXPECT_EQ(desired.json["etag"], "AAAAAAAAAAM=");
  const Json& section = desired.json["properties"]["desired"];
  EXPECT_EQ(section["$version"], 2);
  EXPECT_EQ(section["$metadata"]["$lastUpdatedVersion"], 2);
  EXPECT_EQ(section["$metadata"]["x"]["y"]["$lastUpdatedVersion"], 2);
  EXPECT_EQ(desired.json["tags"]["site"], 1);
}

TEST_F(TwinApiTest, R64_a_report_leaves_the_etag_alone) {
  report(R"({"fw":"1.2"})");
  RestAnswer twin = rest.get("/twins/d1");
  EXPECT_EQ(twin.json["version"], 3);
  EXPECT_EQ(twin.json["etag"], "AAAAAAAAAAE=");
  EXPECT_EQ(twin.json["properties"]["reported"]["fw"], "1.2");
  EXPECT_EQ(twin.json["properties"]["reported"]["$version"], 2);
  EXPECT_FALSE(twin.json["properties"]["reported"]["$metadata"]["fw"].contains("$lastUpdatedVersion"));
}

TEST_F(TwinApiTest, R65_null_deletes_and_leaves_an_empty_object) {
  patch(R"({"tags":{"a":1}})");
  EXPECT_EQ(patch(R"({"tags":{"a":null}})").json["tags"].dump(), "{}");
}

TEST_F(TwinApiTest, R66_the_whole_twin_may_come_back_with_one_change) {
  report(R"({"fw":"1.2"})");
  patch(R"({"tags":{"a":1},"properties":{"desired":{"x":1}}})");
  Json twin = rest.get("/twins/d1").json;
  twin["properties"]["desired"]["x"] = 2;
  twin["properties"]["desired"]["$version"] = 99;
  twin["properties"]["reported"]["fw"] = "9";
  RestAnswer answer = patch(twin.dump());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["properties"]["desired"]["x"], 2);
  EXPECT_EQ(answer.json["properties"]["desired"]["$version"], 3);
  EXPECT_EQ(answer.json["properties"]["reported"]["fw"], "1.2");
}

TEST_F(TwinApiTest, R67_if_match_decides) {
  for (const auto* stale : {"\"AAAAAAAAAAk=\"", "AAAAAAAAAAk="}) {
    RestAnswer answer = patch(R"({"tags":{"a":1}})", stale);
    EXPECT_EQ(answer.status, 412);
    EXPECT_EQ(answer.error_name(), "PreconditionFailed");
  }
  for (const auto* any : {"*", "\"*\""}) EXPECT_EQ(patch(R"({"tags":{"a":1}})", any).status, 200);
  EXPECT_EQ(patch(R"({"tags":{"a":1}})", "\"AAAAAAAAAAM=\"").status, 200);
  EXPECT_EQ(patch(R"({"tags":{"a":1}})", "AAAAAAAAAAQ=").status, 200);
  EXPECT_EQ(rest.put("/twins/d1", "{}", "\"AAAAAAAAAAk=\"").status, 412);
}

TEST_F(TwinApiTest, R68_put_replaces_tags_and_desired_and_keeps_reported) {
  report(R"({"fw":"1.2"})");
  patch(R"({"tags":{"a":1},"properties":{"desired":{"x":1}}})");
  RestAnswer answer = rest.put("/twins/d1", R"({"tags":{"b":2}})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["tags"].dump(), R"({"b":2})");
  EXPECT_FALSE(answer.json["properties"]["desired"].contains("x"));
  EXPECT_EQ(answer.json["properties"]["reported"]["fw"], "1.2");
}

TEST_F(TwinApiTest, R69_what_breaks_a_rule_is_refused_with_its_path) {
  const std::string deep = [] {
    std::string text = "1";
    for (int i = 0; i < 12; ++i) text = R"({"n":)" + text + "}";
    return text;
  }();
  for (const std::string& section :
       {std::string(R"({"a.b":1})"), std::string(R"({"a b":1})"), std::string(R"({"$x":1})"), deep,
        R"({"a":")" + std::string(4097, 'x') + "\"}", std::string(R"({"a":[null]})"),
        std::string(R"({"a":4503599627370496})")}) {
    RestAnswer answer = patch(R"({"properties":{"desired":)" + section + "}}");
    EXPECT_EQ(answer.status, 400) << section;
    EXPECT_EQ(answer.error_name(), "ArgumentInvalid") << section;
    EXPECT_THAT(answer.json["Message"].get<std::string>(), ::testing::HasSubstr("desired.")) << section;
  }
  EXPECT_EQ(rest.get("/twins/d1").json["version"], 2);
}

TEST_F(TwinApiTest, R69_a_section_over_its_size_is_refused) {
  Json large = Json::object();
  for (int i = 0; i < 9; ++i) large["k" + std::to_string(i)] = std::string(3700, 'x');
  RestAnswer answer = patch(Json{{"properties", {{"desired", large}}}}.dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_name(), "ArgumentInvalid");
  EXPECT_EQ(
      patch(
          Json{{"tags",
                {{"a", std::string(4000, 'x')}, {"b", std::string(4000, 'x')}, {"c", std::string(400, 'x')}}}}
              .dump())
          .status,
      400);
}

TEST_F(TwinApiTest, R70_an_identity_write_moves_the_device_etag_alone) {
  const Json before = rest.get("/twins/d1").json;
  rest.put("/devices/d1", R"({"deviceId":"d1","status":"enabled"})", "*");
  const Json after = rest.get("/twins/d1").json;
  EXPECT_NE(before["deviceEtag"], after["deviceEtag"]);
  EXPECT_EQ(before["etag"], after["etag"]);
  EXPECT_EQ(before["version"], after["version"]);
}

TEST_F(TwinApiTest, R71_updates_of_what_is_missing_are_device_not_found) {
  EXPECT_EQ(patch(R"({"tags":{}})", {}, "/twins/none").error_name(), "DeviceNotFound");
  EXPECT_EQ(patch(R"({"tags":{}})", {}, "/twins/d1/modules/none").error_name(), "DeviceNotFound");
  rest.del("/devices/d1");
  EXPECT_EQ(patch(R"({"tags":{}})").error_name(), "DeviceNotFound");
}

TEST_F(TwinApiTest, R72_every_answer_has_the_etag_of_its_body) {
  for (RestAnswer answer : {rest.get("/twins/d1"), patch(R"({"tags":{"a":1}})"), rest.put("/twins/d1", "{}")})
    EXPECT_EQ(answer.headers["etag"], "\"" + answer.json["etag"].get<std::string>() + "\"");
}

TEST_F(TwinApiTest, a_patch_of_no_section_changes_no_version) {
  EXPECT_EQ(patch(R"({"deviceId":"other","properties":{"reported":{"a":1}}})").json["version"], 2);
}

TEST_F(TwinApiTest, null_empties_a_section) {
  patch(R"({"tags":{"a":1},"properties":{"desired":{"x":1}}})");
  RestAnswer answer = patch(R"({"tags":null,"properties":{"desired":null}})");
  EXPECT_EQ(answer.json["tags"].dump(), "{}");
  EXPECT_FALSE(answer.json["properties"]["desired"].contains("x"));
}

TEST_F(TwinApiTest, a_post_with_a_method_override_is_a_patch) {
  RestAnswer answer =
      rest.ask({"POST", "/twins/d1", R"({"tags":{"a":1}})", {{"x-http-method-override", "PATCH"}}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["tags"]["a"], 1);
  EXPECT_EQ(rest.ask({"POST", "/twins/d1", "{}", {}}).status, 405);
}

TEST_F(TwinApiTest, a_body_that_is_not_json_is_a_format_error) {
  EXPECT_EQ(patch("{bad").error_name(), "IotHubFormatError");
  EXPECT_EQ(patch("").status, 400);
}

TEST_F(TwinApiTest, numbers_stay_as_written) {
  RestAnswer answer = patch(R"({"tags":{"a":1,"b":1.0,"c":4503599627370495}})");
  EXPECT_EQ(answer.json["tags"].dump(), R"({"a":1,"b":1.0,"c":4503599627370495})");
}

}  // namespace
}  // namespace kyanite::test
