#include "server/hub/hub_administration.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace kyanite::test
