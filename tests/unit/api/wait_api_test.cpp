#include <gtest/gtest.h>

#include "tests/support/sim_device.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;

// GET /kyanite/v1/wait under virtual time.
class WaitApiTest : public testing::Test {
 protected:
  WaitApiTest() { rest.hub.settings.test_control = true; }

  struct Waiting {
    int status = 0;
    Json json;
  };
  std::shared_ptr<Waiting> wait(const std::string& query) {
    const auto waiting = std::make_shared<Waiting>();
    const HttpRequest request = rest.parse({"GET", "/kyanite/v1/wait?" + query, "", {}});
    rest.router.handle(request,
                       Reply<HttpResponse>(rest.hub.executor(0), [waiting](Result<HttpResponse> answer) {
                         waiting->status = answer->status;
                         waiting->json = parse_json(answer->body).value();
                       }));
    rest.hub.loop.run();
    return waiting;
  }

  RestHub rest;
  IdentityRecord d1 = rest.hub.add(device("d1"));
};

TEST_F(WaitApiTest, a_device_connects_and_disconnects) {
  const auto connected = wait("condition=connected&device=d1");
  EXPECT_EQ(connected->status, 0);
  SimDevice client(rest.hub, d1, 1);
  client.connect();
  rest.hub.loop.run();
  EXPECT_EQ(connected->status, 200);
  EXPECT_EQ(connected->json["deviceId"], "d1");
  EXPECT_EQ(wait("condition=connected&device=d1")->status, 200) << "holds already";
  const auto disconnected = wait("condition=disconnected&device=d1");
  EXPECT_EQ(disconnected->status, 0);
  client.drop();
  rest.hub.loop.run();
  EXPECT_EQ(disconnected->status, 200);
}

TEST_F(WaitApiTest, ends_at_the_timeout_with_408) {
  const auto waiting = wait("condition=connected&device=d1&timeout=2.5");
  rest.hub.loop.advance(2400ms);
  EXPECT_EQ(waiting->status, 0);
  rest.hub.loop.advance(200ms);
  EXPECT_EQ(waiting->status, 408);
}

TEST_F(WaitApiTest, a_twin_property_has_a_value) {
  const auto present = wait("condition=twin&device=d1&path=properties.reported.x.y");
  const auto two = wait("condition=twin&device=d1&path=properties.reported.x.y&value=2");
  const auto tag = wait("condition=twin&device=d1&path=tags.place&value=%22here%22");
  SimDevice client(rest.hub, d1, 2);
  client.connect();
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=1", R"({"x":{"y":1}})",
                 mqtt::QoS::at_most_once);
  EXPECT_EQ(present->status, 200);
  EXPECT_EQ(present->json["value"], 1);
  EXPECT_EQ(two->status, 0);
  client.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", R"({"x":{"y":2}})",
                 mqtt::QoS::at_most_once);
  EXPECT_EQ(two->status, 200);
  rest.ask({"PATCH", "/twins/d1", R"({"tags":{"place":"there"}})", {}});
  EXPECT_EQ(tag->status, 0);
  rest.ask({"PATCH", "/twins/d1", R"({"tags":{"place":"here"}})", {}});
  EXPECT_EQ(tag->status, 200);
}

TEST_F(WaitApiTest, a_queue_is_empty) {
  ASSERT_EQ(rest.ask({"POST", "/devices/d1/messages/devicebound", "x", {}}).status, 204);
  const auto empty = wait("condition=c2dEmpty&device=d1");
  EXPECT_EQ(empty->status, 0);
  rest.ask({"DELETE", "/devices/d1/commands", "", {}});
  rest.hub.loop.run();
  EXPECT_EQ(empty->status, 200);
}

TEST_F(WaitApiTest, a_message_arrives_of_this_identity_with_this_text) {
  SimDevice client(rest.hub, d1, 1);
  client.connect();
  client.telemetry("", "before wanted", 1);
  const auto waiting = wait("condition=message&device=d1&contains=wanted");
  const auto from_start = wait("condition=message&device=d1&contains=wanted&from=start");
  EXPECT_EQ(from_start->status, 200);
  EXPECT_EQ(from_start->json["event"]["body"], "before wanted");
  client.telemetry("", "other", 2);
  EXPECT_EQ(waiting->status, 0);
  client.telemetry("a=b", "the wanted one", 3);
  rest.hub.loop.run();
  EXPECT_EQ(waiting->status, 200);
  EXPECT_EQ(waiting->json["event"]["body"], "the wanted one");
  EXPECT_EQ(waiting->json["event"]["properties"]["a"], "b");
}

TEST_F(WaitApiTest, a_message_before_a_time_that_is_ahead_is_not_meant) {
  SimDevice client(rest.hub, d1, 1);
  client.connect();
  const auto at = (rest.hub.loop.wall_now() + 10s).time_since_epoch().count();
  const auto waiting = wait("condition=message&device=d1&contains=wanted&from=" + std::to_string(at));
  client.telemetry("", "wanted too early", 1);
  rest.hub.loop.run();
  EXPECT_EQ(waiting->status, 0);
  rest.hub.loop.advance(10s);
  client.telemetry("", "wanted then", 2);
  rest.hub.loop.run();
  EXPECT_EQ(waiting->status, 200);
  EXPECT_EQ(waiting->json["event"]["body"], "wanted then");
}

TEST_F(WaitApiTest, a_device_that_is_deleted_is_waited_for_no_longer) {
  const auto connected = wait("condition=connected&device=d1");
  const auto twin = wait("condition=twin&device=d1&path=tags.place");
  ASSERT_EQ(rest.del("/devices/d1").status, 204);
  rest.hub.loop.run();
  EXPECT_EQ(connected->status, 404);
  EXPECT_EQ(twin->status, 404);
}

TEST_F(WaitApiTest, bad_questions_are_refused_and_unknown_devices_not_waited_for) {
  for (const std::string query :
       {"", "condition=connected", "condition=nothing&device=d1", "condition=connected&device=a%20b",
        "condition=connected&device=d1&timeout=0", "condition=connected&device=d1&timeout=301",
        "condition=connected&device=d1&timeout=x", "condition=twin&device=d1",
        "condition=twin&device=d1&path=a&value=x", "condition=c2dEmpty&device=d1&module=m",
        "condition=message&device=d1&from=yesterday"}) {
    EXPECT_EQ(wait(query)->status, 400) << query;
  }
  EXPECT_EQ(wait("condition=connected&device=none")->status, 404);
  EXPECT_EQ(wait("condition=twin&device=d1&module=none&path=a")->status, 404);
}

TEST_F(WaitApiTest, waits_are_bounded_and_end_with_the_hub) {
  std::vector<std::shared_ptr<Waiting>> all;
  for (std::size_t i = 0; i < limits::kWaitsMax; ++i) all.push_back(wait("condition=connected&device=d1"));
  EXPECT_EQ(wait("condition=connected&device=d1")->status, 503);
  rest.router.drain();
  rest.hub.loop.run();
  for (const auto& waiting : all) EXPECT_EQ(waiting->status, 503);
}

}  // namespace
}  // namespace kyanite::test
