#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;

SimHub::Options with_tier(Tier tier) {
  SimHub::Options options;
  options.settings.limits.tier = tier;
  return options;
}

class ThrottleApiTest : public testing::Test {
 protected:
  RestHub rest{with_tier(Tier::f1)};

  // Asks until the answer is another one; how often it was not.
  int count_of(const std::string& target, int status) {
    int count = 0;
    while (count < 10'000 && (last = rest.get(target)).status == status) ++count;
    return count;
  }
  RestAnswer last;
};

TEST_F(ThrottleApiTest, R32_a_burst_of_registry_operations_is_answered_429_without_retry_after) {
  EXPECT_EQ(count_of("/devices", 200), 100);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.error_name(), "ThrottlingException");
  EXPECT_FALSE(last.headers.contains("retry-after"));
  EXPECT_TRUE(last.close_connection);
  rest.hub.loop.advance(600ms);  // 100 a minute
  EXPECT_EQ(count_of("/devices", 200), 1);
}

TEST_F(ThrottleApiTest, all_registry_operations_share_one_rate) {
  for (int i = 0; i < 25; ++i) {
    const std::string device = "/devices/d" + std::to_string(i);
    EXPECT_EQ(rest.put(device, R"({"deviceId":"d)" + std::to_string(i) + R"("})").status, 200);
    EXPECT_EQ(rest.get(device + "/modules").status, 200);
    EXPECT_EQ(rest.get(device).status, 200);
    EXPECT_EQ(rest.del(device).status, 204);
  }
  EXPECT_EQ(rest.get("/devices").status, 429);
}

TEST_F(ThrottleApiTest, a_request_without_the_right_takes_nothing) {
  for (int i = 0; i < 200; ++i) EXPECT_EQ(rest.ask({"GET", "/devices", {}, {}, "service"}).status, 401);
  EXPECT_EQ(rest.get("/devices").status, 200);
}

TEST_F(ThrottleApiTest, reads_of_twins_have_their_own_rate_and_count_as_messages) {
  rest.hub.add(device("d1"));
  EXPECT_EQ(count_of("/twins/d1", 200), 100);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(rest.get("/devices").status, 200);
  EXPECT_GE(rest.get("/kyanite/v1/status").json["limits"]["messagesToday"].get<int>(), 100);
}

TEST_F(ThrottleApiTest, R28_R32_methods_over_the_rate_are_refused_in_their_own_form) {
  rest.hub.add(device("d1"));
  const RestRequest call{"POST", "/twins/d1/methods", R"({"methodName":"reboot"})", {}};
  RestAnswer last_call;
  for (int i = 0; i <= 40; ++i) last_call = rest.ask(call);  // 160 KB a second in blocks of 4 KB
  EXPECT_EQ(last_call.status, 429);
  EXPECT_EQ(last_call.headers["iothub-errorcode"], "ThrottlingException");
  EXPECT_EQ(last_call.json.at("ExceptionMessage"), "");
  EXPECT_EQ(parse_json(last_call.json.at("Message").get<std::string>()).value().at("errorCode"), 429001);
}

TEST_F(ThrottleApiTest, a_method_is_metered_by_its_payload_alone) {
  rest.hub.add(device("d1"));
  const auto messages_today = [this] {
    return rest.get("/kyanite/v1/status").json["limits"]["messagesToday"].get<int>();
  };
  // 500 bytes of payload are one message of F1's 0.5 KB, whatever surrounds them.
  const std::string payload = '"' + std::string(498, 'x') + '"';
  const std::string body = R"({"methodName":")" + std::string(100, 'm') +
                           R"(","responseTimeoutInSeconds":30,)" +
                           R"("connectTimeoutInSeconds":0,"payload":)" + payload + "}";
  ASSERT_GT(body.size(), 512u);
  const int before = messages_today();
  EXPECT_EQ(rest.ask({"POST", "/twins/d1/methods", body, {}}).status, 404);
  EXPECT_EQ(messages_today() - before, 1);
  EXPECT_EQ(rest.ask({"POST", "/twins/d1/methods", "no call at all", {}}).status, 400);
  EXPECT_EQ(messages_today() - before, 1);
}

TEST_F(ThrottleApiTest, the_quota_of_the_day_refuses_messages_and_leaves_the_registry_alone) {
  rest.hub.add(device("d1"));
  rest.hub.throttles().meter(8'000 * 512, rest.hub.loop.wall_now());
  const RestAnswer twin = rest.get("/twins/d1");
  EXPECT_EQ(twin.status, 403);
  EXPECT_EQ(twin.error_name(), "IotHubQuotaExceeded");
  EXPECT_EQ(rest.get("/devices").status, 200);
  rest.hub.loop.step_wall_clock(24h);
  EXPECT_EQ(rest.get("/twins/d1").status, 200);
}

TEST(ThrottleApi, without_a_tier_nothing_is_refused) {
  RestHub rest;
  for (int i = 0; i < 500; ++i) ASSERT_EQ(rest.get("/devices").status, 200);
  EXPECT_EQ(rest.get("/kyanite/v1/status").json["limits"], Json({{"tier", "off"}}));
}

TEST_F(ThrottleApiTest, telemetry_over_https_waits_its_turn_and_is_then_refused) {
  const IdentityRecord d1 = rest.hub.add(device("d1"));
  const HttpRequest request =
      rest.parse({"POST", "/devices/d1/messages/events", "hello", {}, rest.hub.token_of(d1)});
  const auto statuses = std::make_shared<std::vector<int>>();
  const auto send = [&](int count) {
    for (int i = 0; i < count; ++i) {
      rest.router.handle(request,
                         Reply<HttpResponse>(rest.hub.executor(0), [statuses](Result<HttpResponse> answer) {
                           statuses->push_back(answer ? answer->status : 0);
                         }));
    }
    rest.hub.loop.run();
    return statuses->size();
  };
  const std::size_t at_once = send(200);
  EXPECT_GE(at_once, 100u);
  EXPECT_LT(at_once, 200u);
  rest.hub.loop.advance(2s);
  EXPECT_EQ(*statuses, std::vector<int>(200, 204));
  for (int i = 0; i < 30; ++i) send(100);  // not more at once than a device may have waiting
  EXPECT_GT(std::count(statuses->begin(), statuses->end(), 429), 0) << "more than 20 s away";
  rest.hub.loop.advance(21s);
  EXPECT_EQ(statuses->size(), 3200u);
}

TEST_F(ThrottleApiTest, telemetry_over_https_counts_for_the_quota) {
  const IdentityRecord d1 = rest.hub.add(device("d1"));
  const WallTime now = rest.hub.loop.wall_now();
  const std::uint64_t before = rest.hub.throttles().messages_today(now);
  EXPECT_EQ(
      rest.ask({"POST", "/devices/d1/messages/events", std::string(1000, 'x'), {}, rest.hub.token_of(d1)})
          .status,
      204);
  EXPECT_EQ(rest.hub.throttles().messages_today(now) - before, 2u);  // of 512 bytes
}

}  // namespace
}  // namespace kyanite::test
