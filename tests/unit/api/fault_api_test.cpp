#include <gtest/gtest.h>

#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;

class FaultApiTest : public testing::Test {
 protected:
  FaultApiTest() { rest.hub.settings.test_control = true; }
  RestAnswer add(std::string body) { return rest.ask({"POST", kFaults, std::move(body), {}}); }

  RestHub rest;
  static constexpr const char* kFaults = "/kyanite/v1/faults";
};

TEST_F(FaultApiTest, without_test_control_the_routes_do_not_exist) {
  rest.hub.settings.test_control = false;
  for (const std::string verb : {"GET", "POST", "DELETE"}) {
    EXPECT_EQ(rest.ask({verb, kFaults, R"({"kind":"drop"})", {}}).status, 404);
    EXPECT_EQ(rest.ask({verb, "/kyanite/v1/faults/f1", "", {}}).status, 404);
  }
}

TEST_F(FaultApiTest, adds_lists_and_removes) {
  const RestAnswer added =
      add(R"({"kind":"losePuback","scope":{"device":"d1","module":"m"},"nth":3,"durationSeconds":60})");
  ASSERT_EQ(added.status, 200) << added.body;
  EXPECT_EQ(added.json["id"], "f1");
  EXPECT_EQ(added.json["scope"], (Json{{"device", "d1"}, {"module", "m"}}));
  EXPECT_EQ(added.json["nth"], 3);
  EXPECT_EQ(added.json["count"], 1) << "one acknowledgement is lost unless more are asked for";
  EXPECT_EQ(added.json["active"], true);
  EXPECT_EQ(added.json["endsInSeconds"], 60.0);
  EXPECT_EQ(add(R"({"id":"mine","kind":"drop","on":"publish"})").status, 200);
  EXPECT_EQ(add(R"({"id":"mine","kind":"drop"})").status, 409);
  EXPECT_EQ(rest.get(kFaults).json["faults"].size(), 2u);
  EXPECT_EQ(rest.del("/kyanite/v1/faults/f1", "").status, 204);
  EXPECT_EQ(rest.del("/kyanite/v1/faults/f1", "").status, 404);
  EXPECT_EQ(rest.get(kFaults).json["faults"].size(), 1u);
  EXPECT_EQ(rest.del(kFaults, "").status, 204);
  EXPECT_EQ(rest.get(kFaults).json["faults"].size(), 0u);
}

TEST_F(FaultApiTest, bad_rules_are_refused_and_change_nothing) {
  for (const std::string body : {"",
                                 "[]",
                                 "{}",
                                 R"({"kind":"explode"})",
                                 R"({"kind":1})",
                                 R"({"kind":"cut"})",
                                 R"({"kind":"delay"})",
                                 R"({"kind":"drop","on":"never"})",
                                 R"({"kind":"drop","nth":0})",
                                 R"({"kind":"drop","count":1.5})",
                                 R"({"kind":"drop","count":-1})",
                                 R"({"kind":"drop","durationSeconds":3601})",
                                 R"({"kind":"drop","durationSecs":1})",
                                 R"({"kind":"refuseConnect","code":6})",
                                 R"({"kind":"httpError","status":430})",
                                 R"({"kind":"httpError","routes":[]})",
                                 R"({"kind":"httpError","routes":["GET"]})",
                                 R"({"kind":"losePuback","routes":["GET /twins/*"]})",
                                 R"({"kind":"drop","on":"publish","routes":["GET /twins/*"]})",
                                 R"({"kind":"drop","orderly":true,"routes":["GET /twins/*"]})",
                                 R"({"kind":"cut","bytes":5,"direction":"toDevice","routes":["* /twins/*"]})",
                                 R"({"kind":"cut","bytes":5,"afterOperation":true,"routes":["* /twins/*"]})",
                                 R"({"kind":"drop","afterOperation":true})",
                                 R"({"kind":"drop","scope":7})",
                                 R"({"kind":"drop","scope":{"module":"m"}})",
                                 R"({"kind":"drop","scope":{"device":"d","sharePercent":5}})",
                                 R"({"kind":"drop","scope":{"devices":[]}})",
                                 R"({"kind":"drop","scope":{"device":"a b"}})",
                                 R"({"kind":"drop","id":""})"}) {
    const RestAnswer answer = add(body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
  }
  EXPECT_EQ(rest.get(kFaults).json["faults"].size(), 0u);
}

TEST_F(FaultApiTest, takes_every_right) {
  for (const std::string policy : {"service", "registryReadWrite", "device", ""}) {
    EXPECT_EQ(rest.ask({"POST", kFaults, R"({"kind":"drop"})", {}, policy}).status, 401) << policy;
  }
}

TEST_F(FaultApiTest, requests_are_answered_with_the_error_asked_for) {
  ASSERT_EQ(rest.put("/devices/d1", R"({"deviceId":"d1"})").status, 200);
  add(R"({"kind":"httpError","status":429,"routes":["GET /devices/*"],"count":1})");
  RestAnswer answer = rest.get("/devices/d1");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.error_name(), "ThrottlingException");
  EXPECT_EQ(rest.get("/devices/d1").status, 200);
  for (const int status : {500, 502, 503, 504}) {
    const RestAnswer added = add(R"({"kind":"httpError","count":1,"scope":{"device":"d1"},"status":)" +
                                 std::to_string(status) + "}");
    EXPECT_EQ(added.status, 200) << "the routes of test control are never hit";
    EXPECT_EQ(rest.get("/devices").status, 200);
    EXPECT_EQ(rest.get("/devices/d1").status, status);
  }
}

TEST_F(FaultApiTest, an_error_after_the_operation_hides_that_it_was_done) {
  add(R"({"kind":"httpError","status":504,"afterOperation":true,"routes":["PUT /devices/*"],"count":1})");
  EXPECT_EQ(rest.put("/devices/d1", R"({"deviceId":"d1"})").status, 504);
  EXPECT_EQ(rest.put("/devices/d1", R"({"deviceId":"d1"})").status, 409);
}

TEST_F(FaultApiTest, who_is_refused_meets_the_fault_instead) {
  add(R"({"kind":"httpError","status":502,"routes":["PUT /devices/*"],"count":1})");
  RestRequest unknown{"PUT", "/devices/d1", R"({"deviceId":"d1"})", {}};
  unknown.authorization = "";
  EXPECT_EQ(rest.ask(unknown).status, 502);
  EXPECT_EQ(rest.ask(unknown).status, 401);
  const HttpRequest head = rest.parse(unknown);
  EXPECT_EQ(rest.router.refuse_early(head)->status, 401);
  add(R"({"kind":"httpError","status":502,"routes":["PUT /devices/*"],"count":1})");
  EXPECT_EQ(rest.router.refuse_early(head)->status, 502);
  add(R"({"kind":"cut","bytes":7,"routes":["PUT /devices/*"],"count":1})");
  EXPECT_EQ(rest.router.refuse_early(head)->cut_after, 7u);
  EXPECT_EQ(rest.router.refuse_early(head)->cut_after, std::nullopt);
}

TEST_F(FaultApiTest, a_head_that_was_judged_early_is_not_counted_twice) {
  add(R"({"kind":"httpError","status":502,"routes":["PUT /devices/*"],"nth":2,"count":1})");
  HttpRequest request = rest.parse({"PUT", "/devices/d1", R"({"deviceId":"d1"})", {}});
  EXPECT_FALSE(rest.router.refuse_early(request));
  request.was_judged_early = true;
  int status = 0;
  rest.router.handle(request, Reply<HttpResponse>(rest.hub.executor(0), [&](Result<HttpResponse> answer) {
                       status = answer->status;
                     }));
  rest.hub.loop.run();
  EXPECT_EQ(status, 200);
  EXPECT_EQ(rest.router.refuse_early(request)->status, 502);
}

TEST_F(FaultApiTest, an_answer_is_delayed) {
  add(R"({"kind":"delay","delaySeconds":2,"routes":["GET /devices"],"count":1})");
  const HttpRequest request = rest.parse({"GET", "/devices", "", {}});
  int status = 0;
  rest.router.handle(request, Reply<HttpResponse>(rest.hub.executor(0), [&](Result<HttpResponse> answer) {
                       status = answer->status;
                     }));
  rest.hub.loop.run();
  EXPECT_EQ(status, 0);
  rest.hub.loop.advance(2100ms);
  EXPECT_EQ(status, 200);
}

}  // namespace
}  // namespace kyanite::test
