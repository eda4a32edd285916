#include <gmock/gmock.h>

#include <algorithm>

#include "protocol/auth/sas_token.h"
#include "protocol/base/percent_encoding.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Authorization : public ::testing::Test {
 protected:
  Authorization() { rest.put("/devices/d1", "{}"); }

  int status_with(std::string authorization, std::string verb = "GET", std::string target = "/devices/d1",
                  std::string body = {}) {
    return rest.ask({std::move(verb), std::move(target), std::move(body), {}, std::move(authorization)})
        .status;
  }
  // A token of the owner's with the resource exactly as given.
  std::string token(const std::string& resource, std::int64_t valid_for = 3600, bool secondary = false) {
    const AccessPolicy& policy = rest.hub.policy("iothubowner");
    return make_sas_token(resource, secondary ? policy.secondary_key : policy.primary_key, now() + valid_for,
                          policy.name);
  }
  std::int64_t now() {
    return std::chrono::duration_cast<seconds>(rest.hub.loop.wall_now().time_since_epoch()).count();
  }

  RestHub rest;
};

TEST_F(Authorization, R14_no_credential_is_401_with_the_envelope) {
  RestAnswer answer = rest.ask({"GET", "/devices/d1", {}, {}, ""});
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.error_name(), "IotHubUnauthorizedAccess");
  EXPECT_EQ(answer.json["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized");
}

TEST_F(Authorization, R15_the_resource_may_be_written_in_any_case) {
  EXPECT_EQ(status_with(token(SimHub::host())), 200);
  EXPECT_EQ(status_with(token("HUB.Example.Test")), 200);
}

TEST_F(Authorization, R16_the_fields_of_a_token_may_stand_in_any_order) {
  const std::string whole = token(SimHub::host());
  std::vector<std::string> fields;
  for (std::size_t at = whole.find(' ') + 1; at < whole.size();) {
    const std::size_t end = std::min(whole.find('&', at), whole.size());
    fields.push_back(whole.substr(at, end - at));
    at = end + 1;
  }
  ASSERT_EQ(fields.size(), 4u);
  std::sort(fields.begin(), fields.end());
  do {
    std::string text = "SharedAccessSignature ";
    for (const std::string& field : fields) text += field + (&field == &fields.back() ? "" : "&");
    EXPECT_EQ(status_with(text), 200) << text;
  } while (std::next_permutation(fields.begin(), fields.end()));
}

TEST_F(Authorization, R17_a_token_is_good_for_five_minutes_after_its_end) {
  EXPECT_EQ(status_with(token(SimHub::host(), -600)), 401);
  EXPECT_EQ(status_with(token(SimHub::host(), -120)), 200);
}

TEST_F(Authorization, R18_an_unknown_policy_or_a_changed_signature_is_401) {
  const AccessPolicy& owner = rest.hub.policy("iothubowner");
  EXPECT_EQ(status_with(make_sas_token(SimHub::host(), owner.primary_key, now() + 60, "nobody")), 401);
  std::string changed = token(SimHub::host());
  const std::size_t at = changed.find("sig=") + 4;
  changed[at] = changed[at] == 'A' ? 'B' : 'A';
  EXPECT_EQ(status_with(changed), 401);
}

TEST_F(Authorization, R19_a_right_that_is_missing_is_401_not_403) {
  EXPECT_EQ(status_with("registryRead", "PUT", "/devices/x", "{}"), 401);
  EXPECT_EQ(status_with("registryRead"), 200);
}

TEST_F(Authorization, R20_twins_need_service_connect) {
  EXPECT_EQ(status_with("registryReadWrite", "GET", "/twins/d1"), 401);
  EXPECT_EQ(status_with("service", "GET", "/twins/d1"), 200);
}

TEST_F(Authorization, R21_the_service_policy_may_not_write_identities) {
  EXPECT_EQ(status_with("service", "PUT", "/devices/x", "{}"), 401);
}

TEST_F(Authorization, R23_a_device_token_opens_no_service_route) {
  const Result<IdentityView> device = rest.hub.get({"d1", {}});
  ASSERT_TRUE(device);
  EXPECT_EQ(status_with(rest.hub.token_of(device->record)), 401);
}

TEST_F(Authorization, R24_the_secondary_policy_key_is_accepted) {
  EXPECT_EQ(status_with(token(SimHub::host(), 3600, true)), 200);
}

TEST_F(Authorization, R25_a_bearer_token_is_401_with_a_json_body) {
  RestAnswer answer = rest.ask({"GET", "/devices/d1", {}, {}, "Bearer x"});
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.error_name(), "IotHubUnauthorizedAccess");
}

TEST_F(Authorization, R26_a_port_in_the_resource_is_ignored) {
  EXPECT_EQ(status_with(token(SimHub::host() + ":8443")), 200);
}

TEST_F(Authorization, R27_a_missing_device_is_404_with_exactly_one_semicolon) {
  RestAnswer answer = rest.get("/devices/none");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.error_name(), "DeviceNotFound");
}

TEST_F(Authorization, R30_malformed_json_is_400_never_500) {
  RestAnswer answer = rest.put("/devices/x", "{\"deviceId\":");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_name(), "IotHubFormatError");
}

TEST_F(Authorization, R31_an_unknown_route_is_404_and_a_wrong_verb_405) {
  RestAnswer unknown = rest.get("/nothing/here");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.error_name(), "GenericNotFound");
  RestAnswer wrong_verb = rest.ask({"POST", "/devices/d1", {}, {}});
  EXPECT_EQ(wrong_verb.status, 405);
  EXPECT_EQ(wrong_verb.error_name(), "GenericMethodNotAllowed");
}

TEST_F(Authorization, the_websocket_endpoint_is_not_offered_yet_and_says_so) {
  EXPECT_EQ(rest.get("/$iothub/websocket?iothub-no-client-cert=true").status, 404);
}

TEST_F(Authorization, the_reason_of_a_401_goes_to_the_observer_and_not_to_the_caller) {
  rest.observer.lines.clear();
  RestAnswer answer = rest.ask({"GET", "/devices/d1", {}, {}, token(SimHub::host(), -600)});
  ASSERT_EQ(rest.observer.lines.size(), 1u);
  EXPECT_THAT(rest.observer.lines[0], StartsWith("GET /devices/d1 401 "));
  const std::string reason = rest.observer.lines[0].substr(std::string("GET /devices/d1 401 ").size());
  ASSERT_FALSE(reason.empty());
  EXPECT_THAT(answer.body, ::testing::Not(HasSubstr(reason)));
}

TEST_F(Authorization, a_request_is_refused_by_its_head_before_the_body_comes) {
  const auto refuse = [&](std::string authorization) {
    return rest.router.refuse_early(rest.parse({"PUT", "/devices/x", {}, {}, std::move(authorization)}));
  };
  EXPECT_FALSE(refuse("iothubowner").has_value());
  const auto refusal = refuse("service");
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 401);
}

TEST_F(Authorization, back_pressure_of_the_store_is_503_with_retry_after) {
  rest.hub.stores.set_pressure(StorePressure::queue_full);
  RestAnswer answer = rest.put("/devices/x", "{}");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers["retry-after"], "1");
}

TEST_F(Authorization, a_new_security_snapshot_counts_for_the_next_request) {
  HubSecurity security = rest.hub.security();
  for (AccessPolicy& policy : security.policies) policy.primary_key = policy.secondary_key;
  const std::string old_token = token(SimHub::host());
  rest.router.set_security(std::make_shared<const HubSecurity>(security));
  EXPECT_EQ(status_with(old_token), 401);
  EXPECT_EQ(status_with(token(SimHub::host(), 3600, true)), 200);
}

}  // namespace
}  // namespace kyanite::test
