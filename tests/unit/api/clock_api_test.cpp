#include <gtest/gtest.h>

#include "protocol/base/iso_time.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;

class ClockApiTest : public testing::Test {
 protected:
  ClockApiTest() { rest.hub.settings.test_control = true; }

  RestHub rest;
  const WallTime real = rest.hub.loop.wall_now();

  static constexpr const char* kClock = "/kyanite/v1/clock";
  std::string now() { return to_iso_time(rest.hub.loop.wall_now()); }
};

TEST_F(ClockApiTest, without_test_control_the_route_is_as_unknown_as_any_other) {
  rest.hub.settings.test_control = false;
  const RestAnswer unknown = rest.get("/kyanite/v1/nothing");
  for (const std::string verb : {"GET", "PUT", "POST", "DELETE", "PATCH"}) {
    const RestAnswer answer = rest.ask({verb, kClock, R"({"shiftSeconds":1})", {}});
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.headers, unknown.headers);
    EXPECT_EQ(answer.body, unknown.body);
  }
  EXPECT_EQ(rest.hub.loop.wall_now(), real);
}

TEST_F(ClockApiTest, shows_shifts_advances_sets_and_resets) {
  EXPECT_EQ(rest.get(kClock).json["shiftSeconds"], 0.0);
  RestAnswer answer = rest.put(kClock, R"({"shiftSeconds":3600})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["shiftSeconds"], 3600.0);
  EXPECT_EQ(answer.json["now"], to_iso_time(real + 1h));
  answer = rest.ask({"POST", kClock, R"({"advanceSeconds":-0.25})", {}});
  EXPECT_EQ(answer.json["shiftSeconds"], 3599.75);
  answer = rest.put(kClock, R"({"now":"2027-01-01T00:00:00Z"})");
  EXPECT_EQ(answer.json["now"], "2027-01-01T00:00:00.0000000Z");
  EXPECT_EQ(now(), "2027-01-01T00:00:00.0000000Z");
  answer = rest.del(kClock, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["shiftSeconds"], 0.0);
  EXPECT_EQ(rest.hub.loop.wall_now(), real);
}

TEST_F(ClockApiTest, bad_bodies_are_refused_and_change_nothing) {
  for (const std::string body :
       {"", "{", "[]", "{}", "7", R"({"shiftSeconds":"1"})", R"({"shiftSeconds":1e300})", R"({"shift":1})",
        R"({"shiftSeconds":1,"advanceSeconds":1})", R"({"now":"tomorrow"})", R"({"now":1})",
        R"({"shiftSeconds":null})", R"({"shiftSeconds":-1e12})"}) {
    EXPECT_EQ(rest.put(kClock, body).status, 400) << body;
  }
  EXPECT_EQ(rest.hub.loop.wall_now(), real);
}

TEST_F(ClockApiTest, takes_every_right) {
  for (const std::string policy : {"service", "device", "registryRead", "registryReadWrite", ""}) {
    for (const std::string verb : {"GET", "PUT", "POST", "DELETE"}) {
      EXPECT_EQ(rest.ask({verb, kClock, R"({"shiftSeconds":1})", {}, policy}).status, 401) << policy;
    }
  }
}

TEST_F(ClockApiTest, a_service_token_ends_with_the_shift_and_still_brings_the_clock_back) {
  const std::string token = rest.hub.policy_token("iothubowner");  // for an hour
  const auto status = [&](const std::string& target) {
    return rest.ask({"GET", target, {}, {}, token}).status;
  };
  EXPECT_EQ(status("/devices"), 200);
  rest.ask({"PUT", kClock, R"({"shiftSeconds":3890})", {}, token});
  EXPECT_EQ(status("/devices"), 200) << "five minutes are forgiven";
  rest.ask({"PUT", kClock, R"({"shiftSeconds":3901})", {}, token});
  EXPECT_EQ(status("/devices"), 401);
  EXPECT_EQ(status(kClock), 200);
  EXPECT_EQ(rest.ask({"DELETE", kClock, {}, {}, token}).status, 200);
  EXPECT_EQ(status("/devices"), 200);
}

TEST_F(ClockApiTest, the_status_says_whether_test_control_is_on) {
  EXPECT_EQ(rest.get("/kyanite/v1/status").json["testControl"], true);
  rest.hub.settings.test_control = false;
  EXPECT_EQ(rest.get("/kyanite/v1/status").json["testControl"], false);
}

}  // namespace
}  // namespace kyanite::test
