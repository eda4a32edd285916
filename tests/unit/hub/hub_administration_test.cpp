#include "server/hub/hub_administration.h"

#include <gtest/gtest.h>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"
#include "tests/support/sim_hub.h"
#include "tests/support/test_certificates.h"

namespace kyanite::test {
namespace {

class HubAdministrationTest : public testing::Test {
 protected:
  Result<CaCertificateRecord> add(const std::string& name, const std::string& text) {
    return hub.ask<CaCertificateRecord>([&](Reply<CaCertificateRecord> r) {
      hub.administration().add_ca_certificate(name, text, HubAdministration::CaTrust::at_once, std::move(r));
    });
  }
  Result<void> erase(const std::string& name) {
    return hub.ask<void>(
        [&](Reply<void> r) { hub.administration().erase_ca_certificate(name, std::nullopt, std::move(r)); });
  }
  Result<AccessPolicy> regenerate(const std::string& name, PolicyKey key) {
    return hub.ask<AccessPolicy>(
        [&](Reply<AccessPolicy> r) { hub.administration().regenerate_policy_key(name, key, std::move(r)); });
  }
  Result<CaCertificateRecord> add_unverified(const std::string& name, const std::string& text) {
    return hub.ask<CaCertificateRecord>([&](Reply<CaCertificateRecord> r) {
      hub.administration().add_ca_certificate(name, text, HubAdministration::CaTrust::after_proof,
                                              std::move(r));
    });
  }
  Result<CaCertificateRecord> challenge(const std::string& name, std::optional<IfMatch> if_match = {}) {
    return hub.ask<CaCertificateRecord>([&](Reply<CaCertificateRecord> r) {
      hub.administration().challenge_ca_certificate(name, std::move(if_match), std::move(r));
    });
  }
  Result<CaCertificateRecord> verify(const std::string& name, const std::string& proof) {
    return hub.ask<CaCertificateRecord>([&](Reply<CaCertificateRecord> r) {
      hub.administration().verify_ca_certificate(name, proof, std::nullopt, std::move(r));
    });
  }
  Result<AccessPolicy> put(const AccessPolicy& policy, std::optional<IfMatch> if_match = {}) {
    return hub.ask<AccessPolicy>([&](Reply<AccessPolicy> r) {
      hub.administration().put_policy(policy, std::move(if_match), std::move(r));
    });
  }
  Result<void> erase_policy(const std::string& name, std::optional<IfMatch> if_match = {}) {
    return hub.ask<void>(
        [&](Reply<void> r) { hub.administration().erase_policy(name, std::move(if_match), std::move(r)); });
  }
  bool is_trusted(const TestCertificate& ca, const std::string& device) {
    return hub.security()
        .trusted_cas.verify({make_leaf(ca, {device}).certificate_der}, hub.executor(0).wall_now())
        .has_value();
  }
  // Certificates of tests are valid now.
  static SimHub::Options now() {
    SimHub::Options options;
    options.wall = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
    return options;
  }
  SimHub hub{now()};
};

TEST_F(HubAdministrationTest, a_ca_certificate_is_stored_and_published_before_the_answer) {
  const TestCertificate ca = make_ca("A");
  const CaCertificateRecord record = add("a", ca.certificate_pem).value();
  EXPECT_EQ(record.der, ca.certificate_der);
  ASSERT_EQ(hub.security().ca_certificates.size(), 1u);
  EXPECT_EQ(hub.stores.committed().hub.ca_certificates.size(), 1u);
  EXPECT_TRUE(erase("a"));
  EXPECT_TRUE(hub.security().ca_certificates.empty());
  EXPECT_TRUE(hub.stores.committed().hub.ca_certificates.empty());
}

TEST_F(HubAdministrationTest, der_is_taken_as_well_as_pem) {
  EXPECT_TRUE(add("a", make_ca("A").certificate_der));
}

TEST_F(HubAdministrationTest, what_is_no_ca_certificate_is_refused) {
  const TestCertificate ca = make_ca("A");
  EXPECT_EQ(add("a", "hello").error().code, Errc::argument_invalid);
  EXPECT_EQ(add("a", make_leaf(ca, {"leaf"}).certificate_pem).error().code, Errc::argument_invalid);
  EXPECT_EQ(add("a", ca.certificate_pem + make_ca("B").certificate_pem).error().code, Errc::argument_invalid);
  EXPECT_EQ(add("a b", ca.certificate_pem).error().code, Errc::argument_invalid);
  EXPECT_EQ(add(std::string(65, 'a'), ca.certificate_pem).error().code, Errc::argument_invalid);
}

TEST_F(HubAdministrationTest, names_and_certificates_are_unique_even_when_asked_for_at_once) {
  const TestCertificate ca = make_ca("A");
  std::vector<Errc> refusals;
  std::size_t taken = 0;
  for (int i = 0; i < 3; ++i) {
    hub.administration().add_ca_certificate(
        "same", make_ca("A" + std::to_string(i)).certificate_pem, HubAdministration::CaTrust::at_once,
        Reply<CaCertificateRecord>(hub.executor(1), [&](Result<CaCertificateRecord> r) {
          if (r)
            ++taken;
          else
            refusals.push_back(r.error().code);
        }));
  }
  hub.loop.run();
  EXPECT_EQ(taken, 1u);
  EXPECT_EQ(refusals, (std::vector<Errc>{Errc::conflict, Errc::conflict}));
  ASSERT_TRUE(add("other", ca.certificate_pem));
  EXPECT_EQ(add("third", ca.certificate_pem).error().code, Errc::conflict);
}

TEST_F(HubAdministrationTest, a_hub_has_at_most_25_of_them) {
  for (std::size_t i = 0; i < limits::kCaCertificatesMax; ++i) {
    ASSERT_TRUE(add("ca" + std::to_string(i), make_ca("CA " + std::to_string(i)).certificate_pem));
  }
  EXPECT_EQ(add("one-more", make_ca("X").certificate_pem).error().code, Errc::argument_invalid);
}

TEST_F(HubAdministrationTest, an_unknown_name_is_not_found) {
  EXPECT_EQ(erase("none").error().code, Errc::not_found);
}

TEST_F(HubAdministrationTest, a_failed_commit_publishes_nothing) {
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  EXPECT_EQ(add("a", make_ca("A").certificate_pem).error().code, Errc::storage_failed);
  EXPECT_TRUE(hub.security().ca_certificates.empty());
}

TEST_F(HubAdministrationTest, a_regenerated_key_is_stored_and_published_and_nothing_else_changes) {
  const std::vector<AccessPolicy> before = hub.security().policies;
  const AccessPolicy changed = regenerate("Service", PolicyKey::primary).value();
  EXPECT_EQ(changed.name, "service");
  EXPECT_TRUE(is_valid_symmetric_key(changed.primary_key));
  std::vector<AccessPolicy> expected = before;
  EXPECT_NE(expected[1].primary_key, changed.primary_key);
  expected[1].primary_key = changed.primary_key;
  EXPECT_EQ(hub.security().policies, expected);
  EXPECT_EQ(hub.stores.committed().hub.policies, expected);
  const AccessPolicy again = regenerate("service", PolicyKey::secondary).value();
  EXPECT_EQ(again.primary_key, changed.primary_key);
  EXPECT_NE(again.secondary_key, changed.secondary_key);
}

TEST_F(HubAdministrationTest, keys_regenerated_at_once_all_count) {
  const std::vector<AccessPolicy> before = hub.security().policies;
  for (const AccessPolicy& policy : before) {
    hub.administration().regenerate_policy_key(
        policy.name, PolicyKey::primary,
        Reply<AccessPolicy>(hub.executor(1), [](Result<AccessPolicy> r) { EXPECT_TRUE(r); }));
  }
  hub.loop.run();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_NE(hub.security().policies[i].primary_key, before[i].primary_key);
    EXPECT_EQ(hub.security().policies[i].secondary_key, before[i].secondary_key);
  }
}

TEST_F(HubAdministrationTest, an_unknown_policy_is_not_found) {
  EXPECT_EQ(regenerate("none", PolicyKey::primary).error().code, Errc::not_found);
}

TEST_F(HubAdministrationTest, a_key_that_could_not_be_stored_is_not_used) {
  const std::vector<AccessPolicy> before = hub.security().policies;
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  EXPECT_EQ(regenerate("service", PolicyKey::primary).error().code, Errc::storage_failed);
  EXPECT_EQ(hub.security().policies, before);
}

TEST_F(HubAdministrationTest, a_ca_counts_once_somebody_proved_to_have_its_key) {
  const TestCertificate ca = make_ca("A"), stranger = make_ca("B");
  EXPECT_FALSE(add_unverified("a", ca.certificate_pem).value().verified);
  EXPECT_FALSE(is_trusted(ca, "d1"));
  EXPECT_EQ(verify("a", make_leaf(ca, {"x"}).certificate_pem).error().code, Errc::argument_invalid);
  const std::string first = challenge("a").value().challenge;
  const CaCertificateRecord record = challenge("a").value();
  EXPECT_NE(record.challenge, first);
  EXPECT_EQ(hub.stores.committed().hub.ca_certificates[0].challenge, record.challenge);
  for (const TestCertificate& proof :
       {make_leaf(ca, {first}), make_leaf(stranger, {record.challenge}), make_leaf(ca, {"d1"}), ca}) {
    EXPECT_EQ(verify("a", proof.certificate_pem).error().code, Errc::argument_invalid);
  }
  EXPECT_FALSE(is_trusted(ca, "d1"));
  const CaCertificateRecord verified = verify("a", make_leaf(ca, {record.challenge}).certificate_der).value();
  EXPECT_TRUE(verified.verified);
  EXPECT_TRUE(verified.challenge.empty());
  EXPECT_TRUE(is_trusted(ca, "d1"));
  EXPECT_FALSE(is_trusted(stranger, "d1"));
  EXPECT_TRUE(hub.stores.committed().hub.ca_certificates[0].verified);
  EXPECT_EQ(challenge("a").error().code, Errc::conflict);
  EXPECT_EQ(verify("a", "x").error().code, Errc::conflict);
  EXPECT_EQ(challenge("none").error().code, Errc::not_found);
}

TEST_F(HubAdministrationTest, a_code_that_is_not_stored_is_not_given) {
  ASSERT_TRUE(add_unverified("a", make_ca("A").certificate_pem));
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  EXPECT_EQ(challenge("a").error().code, Errc::storage_failed);
  EXPECT_TRUE(hub.security().ca_certificates[0].challenge.empty());
}

TEST_F(HubAdministrationTest, a_policy_of_ones_own_comes_changes_and_goes) {
  const AccessPolicy wanted{"plant", "", "", Right::service_connect};
  const AccessPolicy made = put(wanted).value();
  EXPECT_TRUE(is_valid_symmetric_key(made.primary_key));
  EXPECT_NE(made.primary_key, made.secondary_key);
  EXPECT_EQ(hub.security().policies.back(), made);
  EXPECT_EQ(hub.stores.committed().hub.policies.back(), made);
  EXPECT_EQ(put({"PLANT", "", "", Right::service_connect}).error().code, Errc::conflict);
  const AccessPolicy changed =
      put({"plant", "", "", Right::device_connect}, IfMatch{false, etag_of(made)}).value();
  EXPECT_EQ(changed.primary_key, made.primary_key);
  EXPECT_EQ(changed.rights, Rights(Right::device_connect));
  EXPECT_EQ(put(wanted, IfMatch{false, etag_of(made)}).error().code, Errc::precondition_failed);
  EXPECT_EQ(erase_policy("plant", IfMatch{false, etag_of(made)}).error().code, Errc::precondition_failed);
  EXPECT_TRUE(erase_policy("Plant"));
  EXPECT_EQ(erase_policy("plant").error().code, Errc::not_found);
  EXPECT_EQ(put(wanted, IfMatch{true, {}}).error().code, Errc::not_found);
  EXPECT_EQ(hub.stores.committed().hub.policies.size(), 5u);
}

TEST_F(HubAdministrationTest, the_five_of_every_hub_stay) {
  for (const AccessPolicy& policy : default_access_policies()) {
    EXPECT_EQ(erase_policy(policy.name).error().code, Errc::conflict);
    EXPECT_EQ(put(policy).error().code, Errc::conflict);
  }
  EXPECT_EQ(put({"service", "", "", kAllRights}, IfMatch{true, {}}).error().code, Errc::conflict);
  EXPECT_EQ(hub.security().policies.size(), 5u);
}

TEST_F(HubAdministrationTest, policies_are_bounded_and_have_a_name_a_right_and_good_keys) {
  EXPECT_EQ(put({"a b", "", "", kAllRights}).error().code, Errc::argument_invalid);
  EXPECT_EQ(put({"a;b", "", "", kAllRights}).error().code, Errc::argument_invalid);
  EXPECT_EQ(put({"", "", "", kAllRights}).error().code, Errc::argument_invalid);
  EXPECT_EQ(put({"a", "", "", {}}).error().code, Errc::argument_invalid);
  EXPECT_EQ(put({"a", "short", "", kAllRights}).error().code, Errc::argument_invalid);
  for (std::size_t i = hub.security().policies.size(); i < limits::kPoliciesMax; ++i)
    ASSERT_TRUE(put({"p" + std::to_string(i), "", "", kAllRights}));
  EXPECT_EQ(put({"more", "", "", kAllRights}).error().code, Errc::argument_invalid);
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  EXPECT_EQ(erase_policy("p5").error().code, Errc::storage_failed);
  EXPECT_EQ(hub.security().policies.size(), limits::kPoliciesMax);
}

}  // namespace
}  // namespace kyanite::test
