#include <gmock/gmock.h>

#include "protocol/auth/sas_token.h"
#include "protocol/base/limits.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DeviceApiTest : public testing::Test {
 protected:
  DeviceApiTest() : d1(rest.hub.add(device("d1"))), own(rest.hub.token_of(d1)) {}

  RestAnswer ask(std::string verb, std::string target, std::string authorization, std::string body = {},
                 std::vector<std::pair<std::string, std::string>> headers = {}) {
    return rest.ask(
        {std::move(verb), std::move(target), std::move(body), std::move(headers), std::move(authorization)});
  }
  RestAnswer event(std::string authorization, std::string target = "/devices/d1/messages/events") {
    return ask("POST", std::move(target), std::move(authorization), "hello");
  }
  RestAnswer poll(std::string query = {}) {
    return ask("GET", "/devices/d1/messages/devicebound" + query, own);
  }
  void send(std::string body, std::vector<std::pair<std::string, std::string>> headers = {}) {
    ASSERT_EQ(ask("POST", "/devices/d1/messages/devicebound", "service", std::move(body), std::move(headers))
                  .status,
              204);
  }
  // Unquoted.
  static std::string lock_of(const RestAnswer& answer) {
    const std::string& etag = answer.headers.at("etag");
    return etag.substr(1, etag.size() - 2);
  }
  std::string policy(const std::string& name, const std::string& resource) {
    return rest.hub.policy_token(name, resource);
  }

  RestHub rest;
  IdentityRecord d1;
  std::string own;
};

TEST_F(DeviceApiTest, R23_a_devices_token_opens_its_own_routes_and_no_others) {
  rest.hub.add(device("d10"));
  EXPECT_EQ(poll().status, 204);
  EXPECT_EQ(event(own).status, 204);
  EXPECT_EQ(ask("GET", "/devices/d1", own).status, 401);
  EXPECT_EQ(ask("GET", "/twins/d1", own).status, 401);
  EXPECT_EQ(event(own, "/devices/d10/messages/events").status, 401);
}

TEST_F(DeviceApiTest, R22_a_policys_token_may_be_scoped_to_a_device) {
  rest.hub.add(device("d10"));
  const std::string scoped = policy("iothubowner", SimHub::host() + "/devices/d1");
  EXPECT_EQ(event(scoped).status, 204);
  EXPECT_EQ(event(scoped, "/devices/d10/messages/events").status, 401);
  EXPECT_EQ(event(policy("device", SimHub::host() + "/devices")).status, 204);
  EXPECT_EQ(event("device").status, 204);
  EXPECT_EQ(event("service").status, 401);
}

TEST_F(DeviceApiTest, a_missing_device_is_401_for_its_own_token_and_404_for_a_policy) {
  IdentityRecord none = d1;
  none.id.device = "none";
  EXPECT_EQ(event(rest.hub.token_of(none), "/devices/none/messages/events").status, 401);
  EXPECT_EQ(event("device", "/devices/none/messages/events").error_name(), "DeviceNotFound");
  EXPECT_EQ(event("device", "/devices/d1/modules/m/messages/events").error_name(), "ModuleNotFound");
}

TEST_F(DeviceApiTest, a_disabled_device_is_401) {
  IdentityRecord disabled = d1;
  disabled.status = IdentityStatus::disabled;
  ASSERT_TRUE(rest.hub.put(disabled, IfMatch{true, {}}));
  EXPECT_EQ(event(own).status, 401);
  EXPECT_EQ(event("device").status, 401);
}

TEST_F(DeviceApiTest, a_wrong_or_expired_or_missing_credential_is_401) {
  EXPECT_EQ(event("").status, 401);
  EXPECT_EQ(event("Bearer x").status, 401);
  EXPECT_EQ(event(rest.hub.token_of(d1, -seconds{600})).status, 401);
  IdentityRecord other = d1;
  other.primary_key = other.secondary_key = std::string(43, 'A') + "=";
  EXPECT_EQ(event(rest.hub.token_of(other)).status, 401);
  EXPECT_THAT(rest.observer.lines.back(), HasSubstr("wrong signature"));
}

TEST_F(DeviceApiTest, a_module_sends_with_its_own_key) {
  const IdentityRecord m = rest.hub.add(module("d1", "m"));
  EXPECT_EQ(event(rest.hub.token_of(m), "/devices/d1/modules/m/messages/events").status, 204);
  EXPECT_EQ(event(rest.hub.token_of(m)).status, 401);
  ASSERT_EQ(rest.hub.telemetry().size(), 1u);
  EXPECT_EQ(rest.hub.telemetry()[0].sender, module("d1", "m"));
  EXPECT_THAT(rest.hub.telemetry()[0].auth_method, HasSubstr(R"("scope":"module")"));
}

TEST_F(DeviceApiTest, telemetry_is_in_the_log_before_the_answer) {
  const RestAnswer answer = ask("POST", "/devices/d1/messages/events", own, "hello",
                                {{"iothub-app-k", "v"}, {"iothub-messageid", "m"}});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  const auto log = rest.hub.telemetry();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0].body, "hello");
  EXPECT_EQ(log[0].generation_id, d1.generation_id.empty() ? log[0].generation_id : d1.generation_id);
  EXPECT_THAT(log[0].application, ElementsAre(Property{"k", "v"}));
  EXPECT_THAT(log[0].system, ElementsAre(Property{"message-id", "m"}));
  EXPECT_THAT(log[0].auth_method, HasSubstr(R"("scope":"device","type":"sas")"));
}

TEST_F(DeviceApiTest, R100_a_batch_is_written_as_a_whole_or_not_at_all) {
  const std::vector<std::pair<std::string, std::string>> type{
      {"content-type", "application/vnd.microsoft.iothub.json"}};
  const std::string target = "/devices/d1/messages/events";
  EXPECT_EQ(ask("POST", target, own, R"([{"body":"YQ=="},{"body":"?"}])", type).error_name(),
            "ArgumentInvalid");
  EXPECT_TRUE(rest.hub.telemetry().empty());
  EXPECT_EQ(ask("POST", target, own,
                R"([{"body":"YQ=="},{"body":"b","base64Encoded":false},{"body":"Yw=="}])", type)
                .status,
            204);
  std::vector<std::string> bodies;
  for (const TelemetryRecord& record : rest.hub.telemetry()) bodies.push_back(record.body);
  EXPECT_THAT(bodies, ElementsAre("a", "b", "c"));
}

TEST_F(DeviceApiTest, R101_a_message_that_is_too_large_is_413) {
  const RestAnswer answer = ask("POST", "/devices/d1/messages/events", own, std::string(257 * 1024, 'x'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.error_name(), "MessageTooLarge");
}

TEST_F(DeviceApiTest, a_store_under_pressure_answers_503) {
  rest.hub.stores.set_pressure(StorePressure::queue_full);
  EXPECT_EQ(event(own).error_name(), "ServerBusy");
}

TEST_F(DeviceApiTest, a_request_is_activity) {
  EXPECT_EQ(rest.hub.get(device("d1"))->last_activity, kNever);
  ASSERT_EQ(poll().status, 204);
  EXPECT_EQ(rest.hub.get(device("d1"))->last_activity, rest.hub.loop.wall_now());
  EXPECT_FALSE(rest.hub.get(device("d1"))->connected);
}

TEST_F(DeviceApiTest, who_proves_nothing_may_not_send_a_large_body) {
  RestRequest request{"POST", "/devices/d1/messages/events", {}, {{"content-length", "262144"}}, own};
  EXPECT_TRUE(rest.router.plans_body(rest.parse(request)));
  request.headers = {};  // chunked
  EXPECT_TRUE(rest.router.plans_body(rest.parse(request)));
  request.headers = {{"content-length", "1000"}};
  EXPECT_FALSE(rest.router.plans_body(rest.parse(request)));
  request.headers = {{"content-length", "262144"}};
  request.authorization = "device";
  EXPECT_FALSE(rest.router.plans_body(rest.parse(request)));

  const auto plan = [&](const std::string& authorization) {
    request.authorization = authorization;
    const HttpRequest head = rest.parse(request);
    return rest.hub.ask<BodyPlan>(
        [&](Reply<BodyPlan> reply) { rest.router.plan_body(head, std::move(reply)); });
  };
  EXPECT_FALSE(plan(own)->refusal);
  IdentityRecord other = d1;
  other.primary_key = std::string(43, 'A') + "=";
  ASSERT_TRUE(plan(rest.hub.token_of(other))->refusal);
  EXPECT_EQ(plan(rest.hub.token_of(other))->refusal->status, 401);
}

TEST_F(DeviceApiTest, R95_a_message_comes_with_its_properties) {
  send("hello", {{"iothub-messageid", "m"},
                 {"iothub-correlationid", "c"},
                 {"iothub-contenttype", "text/plain"},
                 {"iothub-contentencoding", "utf-8"},
                 {"iothub-app-k", "v"},
                 {"iothub-ack", "full"}});
  const RestAnswer answer = poll();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.at("etag").size(), 38u);
  EXPECT_EQ(answer.headers.at("iothub-messageid"), "m");
  EXPECT_EQ(answer.headers.at("iothub-correlationid"), "c");
  EXPECT_EQ(answer.headers.at("iothub-sequencenumber"), "1");
  EXPECT_EQ(answer.headers.at("iothub-deliverycount"), "0");
  EXPECT_EQ(answer.headers.at("iothub-to"), "/devices/d1/messages/devicebound");
  EXPECT_EQ(answer.headers.at("iothub-ack"), "full");
  EXPECT_EQ(answer.headers.at("iothub-app-k"), "v");
  for (const char* name : {"contenttype", "iothub-contenttype", "content-type"}) {
    EXPECT_EQ(answer.headers.at(name), "text/plain") << name;
  }
  for (const char* name : {"contentencoding", "iothub-contentencoding"}) {
    EXPECT_EQ(answer.headers.at(name), "utf-8") << name;
  }
  EXPECT_EQ(answer.headers.count("content-encoding"), 0u);
  EXPECT_EQ(answer.headers.count("iothub-expiry"), 0u);
  EXPECT_EQ(poll().status, 204);
}

TEST_F(DeviceApiTest, what_cannot_stand_in_a_header_is_encoded) {
  C2dMessage message;
  message.device = "d1";
  message.application = {{"a b", "x\r\ny"}};
  message.body = "b";
  ASSERT_TRUE(rest.hub.ask<void>([&](Reply<void> reply) {
    rest.hub.router().send(SendC2d{message, std::move(reply)});
  }));
  EXPECT_EQ(poll().headers.at("iothub-app-a%20b"), "x%0D%0Ay");
}

TEST_F(DeviceApiTest, a_message_is_completed_abandoned_and_lost) {
  send("a");
  std::string lock = lock_of(poll());
  EXPECT_EQ(ask("POST", "/devices/d1/messages/devicebound/" + lock + "/abandon", own).status, 204);
  const RestAnswer again = poll();
  EXPECT_EQ(again.headers.at("iothub-deliverycount"), "1");
  EXPECT_EQ(ask("DELETE", "/devices/d1/messages/devicebound/" + lock, own).error_name(),
            "DeviceMessageLockLost");
  EXPECT_EQ(ask("DELETE", "/devices/d1/messages/deviceBound/" + lock_of(again), own).status, 204);
  EXPECT_EQ(rest.hub.get(device("d1"))->c2d_messages, 0u);
}

TEST_F(DeviceApiTest, R96_every_spelling_of_reject) {
  for (const char* spelling : {"&reject", "&reject=", "&reject=true", "&%3Freject=true", "&Reject=true"}) {
    send("a", {{"iothub-ack", "full"}});
    const std::string target =
        "/devices/d1/messages/devicebound/" + lock_of(poll()) + "?api-version=2020-03-13";
    EXPECT_EQ(ask("DELETE", target + spelling, own).status, 204) << spelling;
    EXPECT_EQ(rest.hub.stores.committed().feedback.rbegin()->second.status, FeedbackStatus::rejected)
        << spelling;
  }
}

TEST_F(DeviceApiTest, the_lock_time_is_the_requests) {
  send("a");
  EXPECT_EQ(poll("?iothub-messagelocktimeout=4&api-version=2020-03-13").error_name(), "ArgumentInvalid");
  EXPECT_EQ(poll("?iothub-messagelocktimeout=301&api-version=2020-03-13").error_name(), "ArgumentInvalid");
  EXPECT_EQ(
      ask("GET", "/devices/d1/messages/devicebound", own, {}, {{"IotHub-MessageLockTimeout", "5"}}).status,
      200);
  EXPECT_EQ(poll().status, 204);
  rest.hub.loop.advance(seconds{5});
  EXPECT_EQ(poll().status, 200);
}

TEST_F(DeviceApiTest, certificates_are_judged_by_the_registered_kind) {
  IdentityRecord record = wanted(device("x"));
  record.auth_type = AuthenticationType::self_signed;
  record.primary_thumbprint = std::string(40, 'A');
  record.primary_key = record.secondary_key = {};
  ASSERT_TRUE(rest.hub.put(record));
  HttpRequest request = rest.parse({"POST", "/devices/x/messages/events", "hello", {}, ""});
  request.peer.certificate_chain = {"not a certificate"};
  const auto answer = rest.hub.ask<HttpResponse>(
      [&](Reply<HttpResponse> reply) { rest.router.handle(request, std::move(reply)); });
  EXPECT_EQ(answer->status, 401);
  EXPECT_THAT(rest.observer.lines.back(), HasSubstr("unreadable client certificate"));
}

}  // namespace
}  // namespace kyanite::test
