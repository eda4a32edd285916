#include "server/api/seed_run.h"

#include <gmock/gmock.h>

#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::IsEmpty;

class Seed : public ::testing::Test {
 protected:
  RestHub rest;

  SeedOutcome apply(std::string_view text) {
    SeedFile file = parse_seed_file(text);
    EXPECT_THAT(file.problems, IsEmpty());
    return rest.hub
        .ask<SeedOutcome>([&](Reply<SeedOutcome> reply) {
          apply_seed(rest.hub.executor(0), rest.hub.registry(0), rest.hub.configurations(), std::move(file),
                     std::move(reply));
        })
        .value();
  }
  // "created/updated/unchanged" and the problems.
  std::string told(std::string_view text) {
    const SeedOutcome outcome = apply(text);
    std::string out = std::to_string(outcome.created) + "/" + std::to_string(outcome.updated) + "/" +
                      std::to_string(outcome.unchanged);
    for (const Problem& problem : outcome.problems) out += " " + problem.where + " " + problem.what;
    return out;
  }
  Json device(const std::string& id) { return rest.get("/devices/" + id).json; }
  Json twin(const std::string& id) { return rest.get("/twins/" + id).json; }
};

constexpr std::string_view kFleet = R"([
  {"id":"edge","capabilities":{"iotEdge":true},"tags":{"site":"a"}},
  {"id":"edge","moduleId":"m","managedBy":"me","properties":{"desired":{"p":1}}},
  {"id":"x","authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"abababababababababababababababababababab"}}},
  {"id":"k","authentication":{"symmetricKey":{"primaryKey":"MDEyMzQ1Njc4OTAxMjM0NQ==","secondaryKey":"MDEyMzQ1Njc4OTAxMjM0NQ=="}},
   "status":"disabled","statusReason":"r","properties":{"desired":{"p":{"q":1}},"reported":{"r":1}}},
  {"id":"edge","moduleId":"$edgeAgent","properties":{"desired":{"schemaVersion":"1.1"}}},
  {"id":"leaf","parentScopes":["ms-azure-iot-edge://edge-1"]}])";

TEST_F(Seed, a_second_start_writes_nothing) {
  EXPECT_EQ(told(kFleet), "5/1/0");  // the twin of $edgeAgent, which came with its device, is the update
  EXPECT_EQ(device("k")["authentication"]["symmetricKey"]["primaryKey"], "MDEyMzQ1Njc4OTAxMjM0NQ==");
  EXPECT_EQ(twin("k")["properties"]["reported"]["r"], 1);
  EXPECT_EQ(twin("edge/modules/$edgeAgent")["properties"]["desired"]["schemaVersion"], "1.1");
  std::vector<Json> before{device("edge"),         device("x"), device("k"), twin("edge"),
                           twin("edge/modules/m"), twin("k")};
  EXPECT_EQ(told(kFleet), "0/0/6");
  std::vector<Json> after{device("edge"),         device("x"), device("k"), twin("edge"),
                          twin("edge/modules/m"), twin("k")};
  EXPECT_EQ(before, after);
}

TEST_F(Seed, configurations_are_made_updated_and_left_alone) {
  const auto file = [](const char* more) {
    return std::string(
               R"([{"id":"c","content":{"deviceContent":{"properties.desired.a":1}},"targetCondition":"*")") +
           more + R"(},{"id":"d"}])";
  };
  EXPECT_EQ(told(file("")), "2/0/0");
  rest.hub.loop.run();
  EXPECT_EQ(twin("d")["properties"]["desired"]["a"], 1);
  const Json before = rest.get("/configurations/c").json;
  EXPECT_EQ(told(file("")), "0/0/2");
  EXPECT_EQ(rest.get("/configurations/c").json["etag"], before["etag"]);
  EXPECT_EQ(told(file(R"(,"priority":4)")), "0/1/1");
  EXPECT_EQ(rest.get("/configurations/c").json["priority"], 4);
  EXPECT_EQ(told(file(R"(,"priority":5,"importMode":"create")")), "0/0/2");
  EXPECT_THAT(told(R"({"id":"c","content":{"deviceContent":{"properties.desired.a":2}}})"),
              testing::StartsWith("0/0/0 line 1 of configuration c: "));
}

TEST_F(Seed, what_an_item_does_not_name_stays) {
  told(R"([{"id":"a"}])");
  const Json made = device("a");
  rest.put("/devices/a", R"({"status":"disabled","authentication":)" + made["authentication"].dump() + "}",
           "*");
  const Json changed = device("a");
  EXPECT_EQ(told(R"([{"id":"a","authentication":{"type":"sas"},"tags":{"t":1}}])"), "0/1/0");
  EXPECT_EQ(device("a"), changed);
  EXPECT_EQ(changed["authentication"], made["authentication"]);
  EXPECT_EQ(twin("a")["tags"]["t"], 1);
}

TEST_F(Seed, what_differs_is_brought_back) {
  told(kFleet);
  const std::string etag = device("x")["etag"].get<std::string>();
  rest.put("/devices/k", "{}", "*");
  rest.ask({"PATCH", "/twins/k", R"({"properties":{"desired":{"p":{"q":2,"other":3}}}})", {}});
  EXPECT_EQ(told(kFleet), "0/1/5");
  EXPECT_EQ(device("k")["status"], "disabled");
  EXPECT_EQ(device("k")["authentication"]["symmetricKey"]["secondaryKey"], "MDEyMzQ1Njc4OTAxMjM0NQ==");
  EXPECT_EQ(twin("k")["properties"]["desired"]["p"].dump(), R"({"q":1,"other":3})");
  EXPECT_EQ(device("x")["etag"], etag);
}

TEST_F(Seed, an_item_with_create_leaves_alone_what_is_there) {
  rest.put("/devices/a", "{}");
  EXPECT_EQ(
      told(R"([{"id":"a","importMode":"create","status":"disabled"},{"id":"b","importMode":"create"}])"),
      "1/0/1");
  EXPECT_EQ(device("a")["status"], "enabled");
}

TEST_F(Seed, problems_of_the_present_state_are_told_together) {
  told(R"([{"id":"e","capabilities":{"iotEdge":true}}])");
  EXPECT_EQ(told("{\"id\":\"none\",\"moduleId\":\"m\"}\n{\"id\":\"good\"}\n"
                 "{\"id\":\"e\",\"deviceScope\":\"ms-azure-iot-edge://other-1\"}"),
            "1/0/0 line 3 of e: the scope of an edge device is immutable and must be repeated"
            " line 1 of none/m: The device is not registered");
}

TEST_F(Seed, many_items_are_applied_in_turn) {
  std::string text;
  for (int i = 0; i < 500; ++i)
    text += "{\"id\":\"d" + std::to_string(i) + "\"}\n{\"id\":\"d" + std::to_string(i) +
            "\",\"moduleId\":\"m\"}\n";
  EXPECT_EQ(told(text), "1000/0/0");
  EXPECT_EQ(told(text), "0/0/1000");
}

}  // namespace
}  // namespace kyanite::test
