#include "protocol/auth/certificate_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include "protocol/base/base64.h"
#include "protocol/base/limits.h"
#include "tests/unit/auth/certificate_maker.h"

namespace kyanite {
namespace {

using std::chrono::days;
using test::make_certificate;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr WallTime kNow{seconds{1'780'000'000}};
constexpr WallTime kBefore = kNow - days(10), kAfter = kNow + days(10);

class CertificateChain : public testing::Test {
 protected:
  test::MadeCertificate root_ = make_certificate({"Test Root", true, kBefore, kAfter});
  test::MadeCertificate intermediate_ =
      make_certificate({"Test Intermediate", true, kBefore, kAfter, &root_});
  test::MadeCertificate leaf_ = make_certificate({"d1", false, kBefore, kAfter, &intermediate_});
};

TEST_F(CertificateChain, facts_name_the_subject_and_the_dates) {
  const auto facts = read_certificate(leaf_.der);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->common_name, "d1");
  EXPECT_EQ(facts->subject, "CN=d1");
  EXPECT_EQ(facts->not_before, kBefore);
  EXPECT_EQ(facts->not_after, kAfter);
  EXPECT_FALSE(facts->is_ca);
  EXPECT_EQ(facts->sha256.size(), 64u);
}

TEST_F(CertificateChain, a_ca_is_recognised) { EXPECT_TRUE(read_certificate(root_.der)->is_ca); }

TEST_F(CertificateChain, a_common_name_of_a_module_keeps_its_slash) {
  const auto module = make_certificate({"d1/m1", false, kBefore, kAfter, &root_});
  EXPECT_EQ(read_certificate(module.der)->common_name, "d1/m1");
}

TEST_F(CertificateChain, a_zero_byte_in_the_common_name_is_not_an_end) {
  const auto strange = make_certificate({std::string("d1\0x", 4), false, kBefore, kAfter, &root_});
  EXPECT_EQ(read_certificate(strange.der)->common_name, std::string("d1\0x", 4));
}

TEST_F(CertificateChain, bytes_that_are_no_certificate_are_refused) {
  for (const std::string& bytes :
       {std::string(), std::string("abc"), leaf_.der + "x", leaf_.der.substr(0, 100)}) {
    const auto facts = read_certificate(bytes);
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().code, Errc::argument_invalid);
  }
  EXPECT_EQ(ERR_peek_error(), 0u) << "the thread's error queue must stay clean for TLS";
}

TEST_F(CertificateChain, pem_and_der_convert_into_each_other) {
  const auto ders = pem_to_der("intro\n" + der_to_pem(leaf_.der) + "\n" + der_to_pem(root_.der));
  ASSERT_TRUE(ders);
  EXPECT_THAT(*ders, ElementsAre(leaf_.der, root_.der));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(CertificateChain, pem_without_a_certificate_is_refused) {
  EXPECT_FALSE(pem_to_der(""));
  EXPECT_FALSE(pem_to_der("hello"));
  EXPECT_FALSE(pem_to_der("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_FALSE(pem_to_der("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
}

TEST_F(CertificateChain, a_pem_block_cut_short_is_refused_even_after_a_good_one) {
  const std::string pem = der_to_pem(leaf_.der);
  EXPECT_FALSE(pem_to_der(pem + pem.substr(0, pem.size() / 2)));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(CertificateChain, B20_a_leaf_that_leads_to_a_trusted_root_is_accepted) {
  EXPECT_TRUE(verify_certificate_chain({leaf_.der, intermediate_.der}, {root_.der}, kNow));
}

TEST_F(CertificateChain, a_chain_that_carries_its_root_is_accepted) {
  EXPECT_TRUE(verify_certificate_chain({leaf_.der, intermediate_.der, root_.der}, {root_.der}, kNow));
}

TEST_F(CertificateChain, a_registered_intermediate_is_trusted_without_its_root) {
  EXPECT_TRUE(verify_certificate_chain({leaf_.der}, {intermediate_.der}, kNow));
}

TEST_F(CertificateChain, a_leaf_without_its_intermediate_is_refused) {
  const auto verified = verify_certificate_chain({leaf_.der}, {root_.der}, kNow);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, Errc::unauthorized);
  EXPECT_THAT(verified.error().detail, HasSubstr("issuer"));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(CertificateChain, an_unknown_root_is_refused) {
  const auto other = make_certificate({"Test Root", true, kBefore, kAfter});
  EXPECT_FALSE(verify_certificate_chain({leaf_.der, intermediate_.der, root_.der}, {other.der}, kNow));
  EXPECT_FALSE(verify_certificate_chain({leaf_.der, intermediate_.der, root_.der}, {}, kNow));
}

TEST_F(CertificateChain, dates_are_judged_at_the_given_time) {
  const std::vector<std::string> chain{leaf_.der, intermediate_.der};
  EXPECT_TRUE(verify_certificate_chain(chain, {root_.der}, kAfter - seconds(1)));
  const auto late = verify_certificate_chain(chain, {root_.der}, kAfter + seconds(1));
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().detail, HasSubstr("expired"));
  EXPECT_FALSE(verify_certificate_chain(chain, {root_.der}, kBefore - seconds(1)));
}

TEST_F(CertificateChain, a_leaf_cannot_issue_certificates) {
  const auto forged = make_certificate({"d2", false, kBefore, kAfter, &leaf_});
  EXPECT_FALSE(verify_certificate_chain({forged.der, leaf_.der, intermediate_.der}, {root_.der}, kNow));
}

TEST_F(CertificateChain, a_changed_byte_is_refused) {
  std::string changed = leaf_.der;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_FALSE(verify_certificate_chain({changed, intermediate_.der}, {root_.der}, kNow));
}

TEST_F(CertificateChain, an_absent_or_overlong_chain_is_refused) {
  EXPECT_FALSE(verify_certificate_chain({}, {root_.der}, kNow));
  std::vector<std::string> chain{leaf_.der};
  chain.resize(limits::kCertificateChainMax + 1, intermediate_.der);
  EXPECT_FALSE(verify_certificate_chain(chain, {root_.der}, kNow));
  chain.pop_back();
  EXPECT_TRUE(verify_certificate_chain(chain, {root_.der}, kNow));
}

TEST_F(CertificateChain, the_extended_key_usage_of_a_device_does_not_matter) {
  const auto device = make_certificate({"d1", false, kBefore, kAfter, &root_, "serverAuth"});
  EXPECT_TRUE(verify_certificate_chain({device.der}, {root_.der}, kNow));
}

TEST_F(CertificateChain, a_trust_store_is_used_many_times_and_shared_by_copies) {
  TrustStore store({intermediate_.der});
  const TrustStore copy = store;
  store = TrustStore();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(copy.verify({leaf_.der}, kNow));
  EXPECT_FALSE(store.verify({leaf_.der}, kNow));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(CertificateChain, of_two_cas_with_one_name_each_vouches_for_its_own) {
  const auto renewed = make_certificate({"Test Root", true, kBefore, kAfter});
  const auto leaf = make_certificate({"d9", false, kBefore, kAfter, &renewed});
  const TrustStore both({root_.der, renewed.der});
  EXPECT_TRUE(both.verify({leaf_.der, intermediate_.der}, kNow));
  EXPECT_TRUE(both.verify({leaf.der}, kNow));
  EXPECT_FALSE(TrustStore({root_.der}).verify({leaf.der}, kNow));
}

TEST_F(CertificateChain, a_damaged_trust_anchor_does_not_spoil_the_others) {
  EXPECT_TRUE(verify_certificate_chain({leaf_.der, intermediate_.der}, {"junk", root_.der}, kNow));
}

}  // namespace
}  // namespace kyanite
