#include "server/hub/authenticator.h"

#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"

namespace kyanite {
namespace {

const std::string kHost = "hub.example.test";
constexpr WallTime kNow{seconds{1'767'607'200}};
constexpr std::int64_t kSoon = 1'767'607'200 + 60;

HubSecurity make_security() {
  HubSecurity security;
  security.host_names = {kHost};
  security.policies = default_access_policies();
  for (AccessPolicy& policy : security.policies) {
    policy.primary_key = make_symmetric_key();
    policy.secondary_key = make_symmetric_key();
  }
  return security;
}

class Authenticator : public testing::Test {
 protected:
  const std::string& key(std::string_view policy) const {
    return find_policy(security.policies, policy)->primary_key;
  }
  std::string token(const std::string& policy, const std::string& resource = kHost,
                    std::int64_t expiry = kSoon) const {
    return make_sas_token(resource, key(policy), expiry, policy);
  }
  bool may(const std::string& authorization, Right right,
           const std::vector<std::string>& path = {"devices", "d1"}) const {
    const Result<void> verdict =
        authorize_service(authorization, NeededRights::any_of(right), path, security, kNow);
    EXPECT_TRUE(verdict || verdict.error().code == Errc::unauthorized);
    return verdict.has_value();
  }

  HubSecurity security = make_security();
};

TEST_F(Authenticator, R14_a_call_without_a_token_is_refused) {
  EXPECT_FALSE(may("", Right::registry_read));
  EXPECT_FALSE(may("Bearer x", Right::registry_read)) << "R25";
}

TEST_F(Authenticator, R17_expiry_has_five_minutes_of_skew) {
  EXPECT_FALSE(may(token("iothubowner", kHost, kSoon - 60 - 600), Right::registry_read));
  EXPECT_TRUE(may(token("iothubowner", kHost, kSoon - 60 - 120), Right::registry_read));
}

TEST_F(Authenticator, R18_an_unknown_policy_and_a_changed_signature_are_refused) {
  EXPECT_FALSE(may(make_sas_token(kHost, key("service"), kSoon, "nosuch"), Right::service_connect));
  std::string changed = token("service");
  const std::size_t sig = changed.find("sig=") + 4;
  changed[sig] = changed[sig] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(may(changed, Right::service_connect));
}

TEST_F(Authenticator, R19_R20_R21_a_policy_opens_only_what_its_rights_say) {
  EXPECT_TRUE(may(token("registryRead"), Right::registry_read));
  EXPECT_FALSE(may(token("registryRead"), Right::registry_write));
  EXPECT_TRUE(may(token("registryReadWrite"), Right::registry_read));
  EXPECT_FALSE(may(token("registryReadWrite"), Right::service_connect));
  EXPECT_TRUE(may(token("service"), Right::service_connect));
  EXPECT_FALSE(may(token("service"), Right::registry_write));
}

TEST_F(Authenticator, any_of_several_rights_is_enough) {
  EXPECT_TRUE(authorize_service(token("service"),
                                NeededRights::any_of(Rights(Right::registry_read) | Right::service_connect),
                                {"statistics"}, security, kNow));
}

TEST_F(Authenticator, where_every_right_is_needed_three_of_four_are_not_enough) {
  const auto may_all = [this](const std::string& policy) {
    return authorize_service(token(policy), NeededRights::all_of(kAllRights), {"kyanite"}, security, kNow)
        .has_value();
  };
  EXPECT_TRUE(may_all("iothubowner"));
  for (AccessPolicy& policy : security.policies) {
    policy.rights = Rights(Right::registry_write) | Right::service_connect;
    EXPECT_FALSE(may_all(policy.name));
    policy.rights = policy.rights | Right::device_connect;
    EXPECT_TRUE(may_all(policy.name)) << "writing the registry includes reading it";
  }
}

TEST_F(Authenticator, R22_a_scope_is_a_prefix_of_the_path_by_segments) {
  const std::string scoped = token("iothubowner", kHost + "/devices/dev1");
  EXPECT_TRUE(may(scoped, Right::device_connect, {"devices", "dev1", "messages", "events"}));
  EXPECT_FALSE(may(scoped, Right::device_connect, {"devices", "dev10", "messages", "events"}));
  EXPECT_FALSE(may(scoped, Right::registry_read, {"devices"}));
}

TEST_F(Authenticator, an_id_encoded_twice_is_still_found) {
  EXPECT_TRUE(may(token("iothubowner", kHost + "/devices/a%23b"), Right::registry_read, {"devices", "a#b"}));
}

TEST_F(Authenticator, R23_a_devices_token_does_not_open_the_service) {
  EXPECT_FALSE(may(make_sas_token(kHost + "/devices/d1", make_symmetric_key(), kSoon), Right::registry_read));
}

TEST_F(Authenticator, R24_the_secondary_key_is_as_good) {
  const AccessPolicy& owner = *find_policy(security.policies, "iothubowner");
  EXPECT_TRUE(may(make_sas_token(kHost, owner.secondary_key, kSoon, "iothubowner"), Right::registry_read));
  EXPECT_TRUE(may(make_sas_token(kHost, owner.secondary_key, kSoon, "IotHubOwner"), Right::registry_read));
}

TEST_F(Authenticator, R26_a_port_in_the_scope_is_ignored_and_another_host_is_not) {
  EXPECT_TRUE(may(token("iothubowner", kHost + ":8443"), Right::registry_read));
  EXPECT_FALSE(may(token("iothubowner", "other.example.test"), Right::registry_read));
}

// Devices; the whole CONNECT conversations are in tests/unit/device.

TEST_F(Authenticator, B28_the_specifications_vector_is_accepted) {
  IdentityRecord d1;
  d1.id = {"d1", ""};
  d1.primary_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  d1.secondary_key = make_symmetric_key();
  Credentials credentials;
  credentials.sas_token =
      "SharedAccessSignature "
      "sr=hub.example.test%2Fdevices%2Fd1&sig=bv8ON4ZTZ7n1tMofs0QJ9BTOKLzNOjIrLL1TXWpIkMI%3D&"
      "se=4102444800";
  const Result<AuthVerdict> verdict =
      authenticate_device(d1, IdentityStatus::enabled, credentials, security, kNow);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->scope, AuthScope::device);
  EXPECT_EQ(verdict->expiry, WallTime(seconds(4102444800)));
}

TEST_F(Authenticator, an_identity_of_type_none_is_refused_even_with_a_policys_token) {
  IdentityRecord agent;
  agent.id = {"d1", "$edgeAgent"};
  agent.auth_type = AuthenticationType::none;
  Credentials credentials;
  credentials.sas_token = token("device");
  EXPECT_FALSE(authenticate_device(agent, IdentityStatus::enabled, credentials, security, kNow));
}

TEST_F(Authenticator, disabled_is_found_out_only_after_the_credential) {
  IdentityRecord d1;
  d1.id = {"d1", ""};
  d1.primary_key = d1.secondary_key = make_symmetric_key();
  Credentials bad;
  bad.sas_token = "SharedAccessSignature sr=x&sig=y&se=1";
  EXPECT_EQ(authenticate_device(d1, IdentityStatus::disabled, bad, security, kNow).error().code,
            Errc::unauthorized);
  Credentials good;
  good.sas_token = make_sas_token(kHost + "/devices/d1", d1.primary_key, kSoon);
  EXPECT_EQ(authenticate_device(d1, IdentityStatus::disabled, good, security, kNow).error().code,
            Errc::device_disabled);
}

}  // namespace
}  // namespace kyanite
