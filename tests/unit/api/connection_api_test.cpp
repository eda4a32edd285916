#include "server/api/connection_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

class ConnectionApiTest : public testing::Test {
 protected:
  ConnectionApiTest() : journal(behind, rest.hub.executor(1), 100) {
    history.add(rest.hub.executor(1), journal);
    rest.services.history = &history;
    rest.services.journal = &journal;
  }
  RestAnswer list(const std::string& query = {}) { return rest.get("/kyanite/v1/connections" + query); }

  RestHub rest;
  RecordingObserver behind;
  ConnectionJournal journal;
  ConnectionHistory history;
  const Identity d1{"d1", ""};
};

TEST_F(ConnectionApiTest, tells_what_happened_to_connections) {
  ConnectionFacts facts{{}, d1, "sdk/1", {}, "192.0.2.7", "TLSv1.3"};
  facts.transport = PeerTransport::websocket;
  journal.on_disconnected(facts, EndReason::takeover, "", milliseconds(5));
  facts.protocol = DeviceProtocol::amqp;
  journal.on_refused(facts, Error(Errc::unauthorized, "token expired"));
  const RestAnswer answer = list("?device=d1");
  ASSERT_EQ(answer.status, 200);
  ASSERT_EQ(answer.json["connections"].size(), 2u);
  const Json ended = list("?event=Disconnected").json["connections"].at(0);
  EXPECT_EQ(ended["event"], "disconnected");
  EXPECT_EQ(ended["deviceId"], "d1");
  EXPECT_EQ(ended["moduleId"], nullptr);
  EXPECT_EQ(ended["protocol"], "Mqtt");
  EXPECT_EQ(ended["transport"], "websocket");
  EXPECT_EQ(ended["reason"], "takeover");
  EXPECT_EQ(ended["code"], 400027);
  EXPECT_EQ(ended["connectedMilliseconds"], 5);
  EXPECT_FALSE(ended.contains("count"));
  const Json refused = list("?event=refused").json["connections"].at(0);
  EXPECT_EQ(refused["protocol"], "Amqp");
  EXPECT_EQ(refused["reason"], "IotHubUnauthorized");
  EXPECT_EQ(refused["detail"], "token expired");
  EXPECT_EQ(refused["authType"], "sas");
  EXPECT_EQ(refused["count"], 1);
  EXPECT_TRUE(refused["explanation"].is_string());
  EXPECT_TRUE(list("?device=d2").json["connections"].empty());
}

TEST_F(ConnectionApiTest, refuses_questions_that_are_none) {
  for (const char* query :
       {"?device=a%2Fb", "?module=a%20b", "?event=gone", "?event=refused,,", "?since=yesterday", "?limit=0",
        "?limit=1001", "?limit=x", "?limit=1x", "?limit=-1", "?limit=99999999999999999999999"}) {
    EXPECT_EQ(list(query).status, 400) << query;
    EXPECT_EQ(list(query).error_name(), "ArgumentInvalid") << query;
  }
  for (const char* query :
       {"?device=&limit=", "?limit=1000", "?event=refused,connected", "?since=2026-01-05T10:00:00Z"}) {
    EXPECT_EQ(list(query).status, 200) << query;
  }
}

TEST_F(ConnectionApiTest, is_open_to_those_who_read_the_registry_or_serve) {
  for (const auto& [policy, status] :
       {std::pair{"service", 200}, {"registryRead", 200}, {"device", 401}, {"", 401}}) {
    EXPECT_EQ(rest.ask({"GET", "/kyanite/v1/connections", "", {}, policy}).status, status) << policy;
  }
}

// Requests of devices that are not let in.
class RefusedRequestTest : public ConnectionApiTest {
 protected:
  RefusedRequestTest() { EXPECT_LT(rest.put("/devices/d1", R"({"deviceId":"d1"})").status, 300); }
  RestAnswer post(const std::string& device, const std::string& authorization) {
    return rest.ask(
        {"POST", "/devices/" + device + "/messages/events", "x", {{"user-agent", "curl/8"}}, authorization});
  }
  Json only_refusal(const std::string& query) {
    const Json all = list("?event=refused" + query).json["connections"];
    EXPECT_EQ(all.size(), 1u) << all.dump();
    return all.empty() ? Json::object() : all.at(0);
  }
};

TEST_F(RefusedRequestTest, a_wrong_key_and_an_unknown_device_stand_under_the_id) {
  const std::string wrong =
      make_sas_token("hub.example.test/devices/d1", make_symmetric_key(), 9'999'999'999);
  EXPECT_EQ(post("d1", wrong).status, 401);
  EXPECT_EQ(post("d1", wrong).status, 401);
  const Json refused = only_refusal("&device=d1");
  EXPECT_EQ(refused["protocol"], "Https");
  EXPECT_EQ(refused["detail"], "wrong signature");
  EXPECT_EQ(refused["code"], 401003);
  EXPECT_EQ(refused["count"], 2);
  EXPECT_EQ(refused["authType"], "sas");
  EXPECT_EQ(refused["authScope"], "device");
  EXPECT_EQ(refused["client"], "curl/8");
  EXPECT_EQ(post("stranger", wrong).status, 401);
  EXPECT_EQ(only_refusal("&device=stranger")["detail"], "the identity is not registered");
  EXPECT_EQ(post("unknown", "device").status, 404);
  EXPECT_EQ(only_refusal("&device=unknown")["authScope"], "hub");
  EXPECT_EQ(list().body.find(wrong.substr(wrong.find("sig="), 20)), std::string::npos);
}

TEST_F(RefusedRequestTest, a_back_end_is_one_entry_however_many_devices_it_asks_for) {
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(rest.ask({"GET", "/devices/x" + std::to_string(i), "", {}, ""}).status, 401);
  const Json refused = only_refusal("");
  EXPECT_EQ(refused["deviceId"], nullptr);
  EXPECT_EQ(refused["detail"], "REST request: no Authorization");
  EXPECT_EQ(refused["count"], 50);
  EXPECT_EQ(refused["authType"], nullptr);
}

TEST_F(RefusedRequestTest, mistakes_of_clients_that_got_in_are_not_kept) {
  EXPECT_EQ(rest.get("/devices/none").status, 404);
  EXPECT_EQ(rest.put("/devices/d1", "{").status, 400);
  EXPECT_EQ(rest.get("/nosuch").status, 404);
  EXPECT_EQ(rest.ask({"GET", "/$iothub/websocket", "", {}, ""}).status, 404);
  EXPECT_TRUE(list("?event=refused").json["connections"].empty());
}

TEST_F(RefusedRequestTest, a_websocket_that_is_not_opened_is_told_without_what_the_client_offered) {
  HttpRequest head =
      rest.parse({"GET", "/$iothub/websocket", "", {{"sec-websocket-protocol", "secret-name"}}, ""});
  rest.router.reject(head, Error(Errc::argument_invalid, "No sub-protocol (secret-name): it speaks mqtt"));
  const Json refused = only_refusal("");
  EXPECT_EQ(refused["transport"], "websocket");
  EXPECT_EQ(refused["reason"], "WebSocketRefused");
  EXPECT_EQ(refused["detail"], "No sub-protocol");
}

TEST(DashboardPages, are_served_without_a_credential_unless_they_are_switched_off) {
  RestHub rest;
  const RestAnswer page = rest.ask({"GET", "/", "", {}, ""});
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_TRUE(page.headers.contains("x-ms-request-id"));
  EXPECT_EQ(rest.ask({"GET", "/dashboard/app.js", "", {}, ""}).status, 200);
  EXPECT_EQ(rest.ask({"GET", "/dashboard/none.js", "", {}, ""}).status, 404);
  EXPECT_EQ(rest.ask({"POST", "/", "", {}, ""}).status, 404);
  EXPECT_EQ(rest.ask({"GET", "/devices", "", {}, ""}).status, 401);
  rest.hub.settings.dashboard.enabled = false;
  EXPECT_EQ(rest.ask({"GET", "/", "", {}, ""}).status, 404);
  EXPECT_EQ(rest.ask({"GET", "/dashboard/app.js", "", {}, ""}).status, 404);
}

TEST(DashboardPages, a_body_beside_the_question_is_not_read) {
  RestHub rest;
  HttpRequest head = rest.parse({"GET", "/", "", {{"content-length", "1000000"}}, ""});
  const auto answer = rest.router.refuse_early(head);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

}  // namespace
}  // namespace kyanite::test
