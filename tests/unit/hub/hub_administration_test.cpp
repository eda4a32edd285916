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
      hub.administration().add_ca_certificate(name, text, std::move(r));
    });
  }
  Result<void> erase(const std::string& name) {
    return hub.ask<void>(
        [&](Reply<void> r) { hub.administration().erase_ca_certificate(name, std::move(r)); });
  }
  Result<AccessPolicy> regenerate(const std::string& name, PolicyKey key) {
    return hub.ask<AccessPolicy>(
        [&](Reply<AccessPolicy> r) { hub.administration().regenerate_policy_key(name, key, std::move(r)); });
  }
  SimHub hub;
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
        "same", make_ca("A" + std::to_string(i)).certificate_pem,
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

}  // namespace
}  // namespace kyanite::test
