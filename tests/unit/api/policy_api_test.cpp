#include <gmock/gmock.h>

#include "protocol/auth/connection_string.h"
#include "protocol/auth/sas_token.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PolicyApi : public ::testing::Test {
 protected:
  RestAnswer regenerate(const std::string& name, const std::string& body) {
    return rest.ask({"POST", "/kyanite/v1/policies/" + name + "/regenerate-key", body, {}});
  }
  std::string token(const std::string& policy, const std::string& key) {
    const auto now = std::chrono::duration_cast<seconds>(rest.hub.loop.wall_now().time_since_epoch()).count();
    return make_sas_token(SimHub::host(), key, now + 3600, policy);
  }
  int status_with(const std::string& authorization, const std::string& target = "/statistics/service") {
    return rest.ask({"GET", target, {}, {}, authorization}).status;
  }

  RestHub rest;
};

TEST_F(PolicyApi, the_five_policies_are_listed_with_rights_and_keys) {
  const Json list = rest.get("/kyanite/v1/policies").json["policies"];
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[0]["name"], "iothubowner");
  EXPECT_EQ(list[0]["rights"], "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect");
  EXPECT_EQ(list[2]["name"], "device");
  EXPECT_EQ(list[2]["rights"], "DeviceConnect");
  for (const Json& entry : list) {
    const AccessPolicy& policy = rest.hub.policy(entry["name"].get<std::string>());
    EXPECT_EQ(entry["primaryKey"], policy.primary_key);
    EXPECT_EQ(entry["secondaryKey"], policy.secondary_key);
  }
}

TEST_F(PolicyApi, one_is_shown_whatever_the_case_of_its_name) {
  const Json entry = rest.get("/kyanite/v1/policies/REGISTRYREAD").json;
  EXPECT_EQ(entry["name"], "registryRead");
  EXPECT_EQ(rest.get("/kyanite/v1/policies/none").status, 404);
}

TEST_F(PolicyApi, a_connection_string_has_the_hubs_own_name_and_a_port_only_when_it_is_not_443) {
  const std::string key = rest.hub.policy("service").primary_key;
  EXPECT_EQ(rest.get("/kyanite/v1/policies/service").json["connectionString"],
            "HostName=" + SimHub::host() + ";SharedAccessKeyName=service;SharedAccessKey=" + key);
  rest.router.set_ports({8443, 0, 0});
  EXPECT_EQ(rest.get("/kyanite/v1/policies/service").json["connectionString"],
            "HostName=" + SimHub::host() + ":8443;SharedAccessKeyName=service;SharedAccessKey=" + key);
}

TEST_F(PolicyApi, only_a_policy_with_every_right_may_see_or_replace_keys) {
  for (const char* policy : {"service", "device", "registryRead", "registryReadWrite"}) {
    EXPECT_EQ(status_with(policy, "/kyanite/v1/policies"), 401) << policy;
    EXPECT_EQ(status_with(policy, std::string("/kyanite/v1/policies/") + policy), 401) << policy;
    const std::string before = rest.hub.policy(policy).primary_key;
    const std::string target = std::string("/kyanite/v1/policies/") + policy + "/regenerate-key";
    RestAnswer answer = rest.ask({"POST", target, R"({"key":"primary"})", {}, policy});
    EXPECT_EQ(answer.error_name(), "IotHubUnauthorizedAccess") << policy;
    EXPECT_EQ(rest.hub.policy(policy).primary_key, before) << policy;
  }
}

TEST_F(PolicyApi, R24_a_replaced_key_is_refused_at_once_and_the_other_still_accepted) {
  const AccessPolicy before = rest.hub.policy("service");
  ASSERT_EQ(status_with(token("service", before.primary_key)), 200);
  RestAnswer answer = regenerate("service", R"({"key":"primary"})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json["secondaryKey"], before.secondary_key);
  EXPECT_EQ(status_with(token("service", before.primary_key)), 401);
  EXPECT_EQ(status_with(token("service", before.secondary_key)), 200);
  EXPECT_EQ(status_with(token("service", answer.json["primaryKey"].get<std::string>())), 200);
  EXPECT_EQ(parse_connection_string(answer.json["connectionString"].get<std::string>()).value().key,
            answer.json["primaryKey"]);
}

TEST_F(PolicyApi, R24_the_secondary_key_is_replaced_without_touching_the_primary) {
  const AccessPolicy before = rest.hub.policy("registryRead");
  ASSERT_EQ(regenerate("registryRead", R"({"key":"secondary"})").status, 200);
  EXPECT_EQ(status_with(token("registryRead", before.secondary_key)), 401);
  EXPECT_EQ(status_with(token("registryRead", before.primary_key)), 200);
}

TEST_F(PolicyApi, the_owner_may_replace_the_key_it_asks_with) {
  const std::string old_key = rest.hub.policy("iothubowner").primary_key;
  EXPECT_EQ(regenerate("iothubowner", R"({"key":"primary"})").status, 200);
  EXPECT_EQ(status_with(token("iothubowner", old_key)), 401);
  EXPECT_EQ(rest.get("/kyanite/v1/policies").status, 200);
}

TEST_F(PolicyApi, a_body_that_names_neither_key_is_400_and_changes_nothing) {
  const std::vector<AccessPolicy> before = rest.hub.security().policies;
  for (const char* body : {"", "{", "{}", "[]", R"({"key":"both"})", R"({"key":1})", R"({"key":null})"}) {
    EXPECT_EQ(regenerate("service", body).status, 400) << body;
  }
  EXPECT_EQ(regenerate("none", R"({"key":"primary"})").status, 404);
  EXPECT_EQ(rest.hub.security().policies, before);
}

TEST_F(PolicyApi, what_is_told_of_the_requests_holds_no_key) {
  rest.observer.lines.clear();
  rest.get("/kyanite/v1/policies");
  regenerate("service", R"({"key":"primary"})");
  ASSERT_EQ(rest.observer.lines.size(), 2u);
  for (const AccessPolicy& policy : rest.hub.security().policies) {
    for (const std::string& line : rest.observer.lines) {
      EXPECT_THAT(line, Not(HasSubstr(policy.primary_key)));
      EXPECT_THAT(line, Not(HasSubstr(policy.secondary_key)));
    }
  }
}

}  // namespace
}  // namespace kyanite::test
