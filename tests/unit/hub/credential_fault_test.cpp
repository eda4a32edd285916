#include "server/hub/credential_fault.h"

#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"
#include "server/hub/authenticator.h"

namespace kyanite {
namespace {

constexpr WallTime kFaultNow{seconds{1'767'607'200}};
constexpr std::int64_t kFaultSoon = 1'767'607'200 + 60;
constexpr std::string_view kFaultHost = "hub.example.test";

// Asks those who judge, so that a sentence of theirs that changes is noticed here.
class CredentialFaults : public testing::Test {
 protected:
  CredentialFaults() {
    security.host_names = {std::string(kFaultHost)};
    security.policies = default_access_policies();
    for (AccessPolicy& policy : security.policies) policy.primary_key = make_symmetric_key();
    device.id = {"d1", ""};
    device.primary_key = make_symmetric_key();
  }
  std::string policy_token(const std::string& policy, const std::string& resource, std::int64_t expiry) {
    const AccessPolicy* known = find_policy(security.policies, policy);
    return make_sas_token(resource, known ? known->primary_key : device.primary_key, expiry, policy);
  }
  CredentialFault of_service(const std::string& authorization) {
    const auto refused = authorize_service(authorization, NeededRights::any_of(Right::registry_write),
                                           {"devices", "d1"}, security, kFaultNow);
    return refused ? CredentialFault::other : credential_fault_of(refused.error().detail);
  }
  CredentialFault of_device(const Credentials& credentials) {
    const auto refused =
        authenticate_device(device, IdentityStatus::enabled, credentials, security, kFaultNow);
    return refused ? CredentialFault::other : credential_fault_of(refused.error().detail);
  }
  CredentialFault of_device(const std::string& token) { return of_device(Credentials{token, {}}); }

  HubSecurity security;
  IdentityRecord device;
};

TEST_F(CredentialFaults, back_ends_are_told_apart) {
  const std::string host(kFaultHost);
  EXPECT_EQ(of_service(""), CredentialFault::missing);
  EXPECT_EQ(of_service("Basic abc"), CredentialFault::malformed);
  EXPECT_EQ(of_service("HostName=h;SharedAccessKeyName=p;SharedAccessKey=k"), CredentialFault::malformed);
  EXPECT_EQ(of_service("Bearer x.y.z"), CredentialFault::missing_right);
  EXPECT_EQ(of_service(policy_token("iothubowner", host, kFaultSoon - 3'600)), CredentialFault::expired);
  EXPECT_EQ(of_service(policy_token("nosuch", host, kFaultSoon)), CredentialFault::unknown_policy);
  EXPECT_EQ(of_service(make_sas_token(host, make_symmetric_key(), kFaultSoon, "iothubowner")),
            CredentialFault::wrong_key);
  EXPECT_EQ(of_service(policy_token("service", host, kFaultSoon)), CredentialFault::missing_right);
  EXPECT_EQ(of_service(policy_token("iothubowner", "other.test", kFaultSoon)), CredentialFault::wrong_scope);
  EXPECT_EQ(of_service(make_sas_token(host + "/devices/d1", device.primary_key, kFaultSoon)),
            CredentialFault::missing_right);
}

TEST_F(CredentialFaults, devices_are_told_apart) {
  const std::string own = std::string(kFaultHost) + "/devices/d1";
  EXPECT_EQ(of_device(Credentials{}), CredentialFault::missing);
  EXPECT_EQ(of_device("secret"), CredentialFault::malformed);
  EXPECT_EQ(of_device(make_sas_token(own, device.primary_key, kFaultSoon - 86'400)),
            CredentialFault::expired);
  EXPECT_EQ(of_device(make_sas_token(own, make_symmetric_key(), kFaultSoon)), CredentialFault::wrong_key);
  EXPECT_EQ(of_device(make_sas_token(own + "2", device.primary_key, kFaultSoon)),
            CredentialFault::wrong_scope);
  EXPECT_EQ(of_device(policy_token("service", own, kFaultSoon)), CredentialFault::missing_right);
  device.auth_type = AuthenticationType::self_signed;
  EXPECT_EQ(of_device(Credentials{}), CredentialFault::missing);
  EXPECT_EQ(of_device(Credentials{std::nullopt, {"no certificate"}}), CredentialFault::certificate);
}

TEST_F(CredentialFaults, callers_of_a_device_route_are_told_apart) {
  const auto of_caller = [&](const std::string& authorization) {
    const auto refused = judge_device_caller(authorization, false, {"devices", "d1", "messages", "events"},
                                             security, kFaultNow);
    return refused ? CredentialFault::other : credential_fault_of(refused.error().detail);
  };
  EXPECT_EQ(of_caller(""), CredentialFault::missing);
  EXPECT_EQ(of_caller(policy_token("registryRead", std::string(kFaultHost), kFaultSoon)),
            CredentialFault::missing_right);
}

TEST(CredentialFault, sentences_that_are_not_known_are_other) {
  for (const char* text : {"", "tokens are switched off for all connections", "SAS tokens are switched off",
                           "the credential was replaced while connecting", "x token expired"}) {
    EXPECT_EQ(credential_fault_of(text), CredentialFault::other) << text;
  }
  EXPECT_EQ(credential_fault_of("the identity is not registered"), CredentialFault::unregistered);
}

}  // namespace
}  // namespace kyanite
