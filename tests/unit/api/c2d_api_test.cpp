#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

class C2dApiTest : public testing::Test {
 protected:
  RestAnswer send(const std::string& path, std::string body = "hello",
                  std::vector<std::pair<std::string, std::string>> headers = {}) {
    RestRequest request;
    request.verb = "POST";
    request.target = path;
    request.authorization = "service";
    request.body = std::move(body);
    request.headers = std::move(headers);
    return rest.ask(std::move(request));
  }
  RestAnswer ask(const std::string& verb, const std::string& path, const std::string& policy = "service") {
    RestRequest request;
    request.verb = verb;
    request.target = path;
    request.authorization = policy;
    return rest.ask(std::move(request));
  }
  std::size_t queued(const std::string& name) {
    const auto& queues = rest.hub.stores.committed().c2d;
    const auto found = queues.find(name);
    return found == queues.end() ? 0 : found->second.messages.size();
  }
  RestHub rest;
};

TEST_F(C2dApiTest, R93_a_send_is_answered_without_content) {
  rest.hub.add(device("d1"));
  const RestAnswer answer = send("/devices/d1/messages/deviceBound", "hello",
                                 {{"iothub-app-k", "v"}, {"Content-Encoding", "utf-8"}});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(send("/devices/d1/messages/devicebound").status, 204);
  EXPECT_EQ(queued("d1"), 2u);
}

TEST_F(C2dApiTest, the_right_is_service_connect) {
  rest.hub.add(device("d1"));
  EXPECT_EQ(ask("POST", "/devices/d1/messages/deviceBound", "registryReadWrite").status, 401);
  EXPECT_EQ(ask("DELETE", "/devices/d1/commands", "registryReadWrite").status, 401);
  EXPECT_EQ(ask("GET", "/messages/serviceBound/feedback", "device").status, 401);
}

TEST_F(C2dApiTest, a_device_credential_may_not_send) {
  const IdentityRecord record = rest.hub.add(device("d1"));
  EXPECT_EQ(ask("POST", "/devices/d1/messages/deviceBound", rest.hub.token_of(record)).status, 401);
}

TEST_F(C2dApiTest, a_send_to_nobody) {
  const RestAnswer answer = send("/devices/none/messages/deviceBound");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.headers.at("iothub-errorcode"), "DeviceNotFound");
}

TEST_F(C2dApiTest, a_message_for_a_disabled_device_reaches_no_other) {
  IdentityRecord off = rest.hub.add(device("x%41"));
  rest.hub.add(device("xA"));
  off.status = IdentityStatus::disabled;
  ASSERT_TRUE(rest.hub.put(off, IfMatch{true, {}}));
  EXPECT_EQ(send("/devices/x%2541/messages/deviceBound").status, 404);
  EXPECT_EQ(queued("x%41"), 0u);
  EXPECT_EQ(queued("xA"), 0u);
}

TEST_F(C2dApiTest, a_device_id_that_is_encoded_twice) {
  rest.hub.add(device("d#1"));
  EXPECT_EQ(send("/devices/d%2523/messages/deviceBound").status, 404);
  EXPECT_EQ(send("/devices/d%25231/messages/deviceBound").status, 204);
  EXPECT_EQ(queued("d#1"), 1u);
}

TEST_F(C2dApiTest, R94_a_full_queue) {
  rest.hub.add(device("d1"));
  for (int i = 0; i < 50; ++i) ASSERT_EQ(send("/devices/d1/messages/deviceBound").status, 204);
  const RestAnswer answer = send("/devices/d1/messages/deviceBound");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.headers.at("iothub-errorcode"), "DeviceMaximumQueueDepthExceeded");
}

TEST_F(C2dApiTest, a_message_that_is_too_large) {
  rest.hub.add(device("d1"));
  const RestAnswer answer =
      send("/devices/d1/messages/deviceBound", std::string(limits::kC2dBytesMax + 1, 'x'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.headers.at("iothub-errorcode"), "MessageTooLarge");
}

TEST_F(C2dApiTest, R98_a_purge_says_how_many) {
  rest.hub.add(device("d1"));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(send("/devices/d1/messages/deviceBound").status, 204);
  EXPECT_EQ(ask("DELETE", "/devices/d1/commands").body,
            R"({"deviceId":"d1","moduleId":null,"totalMessagesPurged":3})");
  EXPECT_EQ(queued("d1"), 0u);
  EXPECT_EQ(ask("DELETE", "/devices/none/commands").status, 404);
}

TEST_F(C2dApiTest, R99_feedback_is_received_and_completed) {
  rest.hub.add(device("d1"));
  EXPECT_EQ(ask("GET", "/messages/serviceBound/feedback").status, 204);
  ASSERT_EQ(
      send("/devices/d1/messages/deviceBound", "x", {{"iothub-ack", "full"}, {"iothub-messageid", "m1"}})
          .status,
      204);
  ASSERT_EQ(ask("DELETE", "/devices/d1/commands").status, 200);
  const RestAnswer batch = ask("GET", "/messages/serviceBound/feedback");
  ASSERT_EQ(batch.status, 200);
  const Json array = parse_json(batch.body).value();
  ASSERT_EQ(array.size(), 1u);
  EXPECT_EQ(array[0]["originalMessageId"], "m1");
  EXPECT_EQ(array[0]["statusCode"], "Purged");
  EXPECT_EQ(array[0]["deviceId"], "d1");
  const std::string etag = batch.headers.at("etag");
  ASSERT_TRUE(etag.starts_with('"') && etag.ends_with('"'));
  const std::string lock = etag.substr(1, etag.size() - 2);
  EXPECT_EQ(ask("POST", "/messages/serviceBound/feedback/" + lock + "/abandon").status, 204);
  const RestAnswer lost = ask("DELETE", "/messages/serviceBound/feedback/" + lock);
  EXPECT_EQ(lost.status, 412);
  EXPECT_EQ(lost.headers.at("iothub-errorcode"), "DeviceMessageLockLost");
  const std::string again = ask("GET", "/messages/servicebound/feedback").headers.at("etag");
  EXPECT_EQ(ask("DELETE", "/messages/serviceBound/feedback/" + again.substr(1, again.size() - 2)).status,
            204);
  EXPECT_EQ(ask("GET", "/messages/serviceBound/feedback").status, 204);
}

// Operations monitoring of the category C2DCommands (device-mqtt.md 10.1).
TEST(C2dCommands, sends_that_are_refused_leave_a_record) {
  SimHub::Options options;
  options.settings.events.c2d_commands = OperationsLevel::error;
  options.settings.limits.tier = Tier::f1;
  RestHub rest(options);
  rest.hub.add(device("d1"));
  const auto post = [&rest](const std::string& id, const std::string& body) {
    return rest.ask({"POST", "/devices/" + id + "/messages/deviceBound", body, {{"iothub-ack", "full"}}})
        .status;
  };
  EXPECT_EQ(post("d1", "taken"), 204);
  EXPECT_EQ(post("d1", std::string(65'537, 'x')), 413);
  EXPECT_EQ(post("unknown", "y"), 404);
  while (post("d1", "z") == 204) {
  }
  while (post("d1", "z") != 429) {
  }
  std::vector<std::string> told;
  Json first;
  for (const TelemetryRecord& record : rest.hub.telemetry()) {
    const Json json = *parse_json(record.body);
    const std::string line = record.sender.device + " " + json["statusType"].dump();
    if (told.empty()) first = json;
    if (told.empty() || told.back() != line) told.push_back(line);
  }
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("d1 413001", "unknown 404001", "d1 403004", "d1 429001"));
  ASSERT_FALSE(first.is_null());
  EXPECT_EQ(first["category"], "C2DCommands");
  EXPECT_EQ(first["protocol"], "Https");
  EXPECT_EQ(first["operationName"], "ingress");
  EXPECT_EQ(first["level"], "Error");
  EXPECT_EQ(first["authType"], R"({"scope":"hub","type":"sas","issuer":"iothub"})");
}

TEST_F(C2dApiTest, the_list_tells_what_waits_and_what_became_of_messages_and_consumes_nothing) {
  rest.hub.add(device("d1"));
  ASSERT_EQ(
      send("/devices/d1/messages/devicebound", "one", {{"iothub-messageid", "m1"}, {"iothub-ack", "full"}})
          .status,
      204);
  ASSERT_EQ(send("/devices/d1/messages/devicebound", "two").status, 204);
  RestAnswer answer = ask("GET", "/kyanite/v1/messages?device=d1");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["deviceId"], "d1");
  EXPECT_TRUE(answer.json["ended"].empty());
  ASSERT_EQ(answer.json["queued"].size(), 2u);
  const Json& first = answer.json["queued"][0];
  EXPECT_EQ(first["messageId"], "m1");
  EXPECT_EQ(first["state"], "queued");
  EXPECT_EQ(first["ack"], "full");
  EXPECT_EQ(first["deliveryCount"], 0);
  EXPECT_TRUE(first["enqueuedTime"].is_string());
  EXPECT_TRUE(first["expiryTime"].is_string());
  // A message without an id has the one that feedback would name.
  EXPECT_EQ(answer.json["queued"][1]["messageId"].get<std::string>().size(), 36u);
  EXPECT_EQ(answer.body.find("two"), std::string::npos);

  ASSERT_EQ(ask("DELETE", "/devices/d1/commands").status, 200);
  for (int times = 0; times < 2; ++times) {
    answer = ask("GET", "/kyanite/v1/messages?device=d1");
    EXPECT_TRUE(answer.json["queued"].empty());
    ASSERT_EQ(answer.json["ended"].size(), 2u);
    EXPECT_EQ(answer.json["ended"][1]["messageId"], "m1");
    EXPECT_EQ(answer.json["ended"][1]["statusCode"], "Purged");
  }
  // The back end that waits for feedback gets it all the same.
  answer = ask("GET", "/messages/serviceBound/feedback");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json[0]["originalMessageId"], "m1");
}

TEST_F(C2dApiTest, the_list_is_refused_for_nobody_and_to_who_may_not_serve) {
  rest.hub.add(device("d1"));
  EXPECT_EQ(ask("GET", "/kyanite/v1/messages?device=none").status, 404);
  EXPECT_EQ(ask("GET", "/kyanite/v1/messages").status, 400);
  EXPECT_EQ(ask("GET", "/kyanite/v1/messages?device=a%2Fb").status, 400);
  EXPECT_EQ(ask("GET", "/kyanite/v1/messages?device=d1", "registryReadWrite").status, 401);
}

TEST_F(C2dApiTest, a_device_that_was_made_again_has_no_ended_messages) {
  rest.hub.add(device("d1"));
  ASSERT_EQ(send("/devices/d1/messages/devicebound").status, 204);
  ASSERT_EQ(ask("DELETE", "/devices/d1/commands").status, 200);
  ASSERT_EQ(rest.del("/devices/d1").status, 204);
  rest.hub.add(device("d1"));
  EXPECT_TRUE(ask("GET", "/kyanite/v1/messages?device=d1").json["ended"].empty());
}

}  // namespace
}  // namespace kyanite::test
