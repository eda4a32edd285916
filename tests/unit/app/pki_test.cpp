#include "server/app/first_start/pki.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "server/app/first_start/openssl_types.h"
#include "tests/support/temporary_directory.h"

namespace kyanite::pki {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kNames{"hub.test", "localhost", "127.0.0.1", "::1"};

WallTime today() { return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now()); }

// The verdict of the strictest verifier at hand, with the name checked as a client would.
int openssl_verify(const std::string& ca_pem, const std::string& server_pem, const std::string& extra) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "ca.pem") << ca_pem;
  std::ofstream(directory.path() / "server.pem") << server_pem;
  const std::string command = "openssl verify -x509_strict -purpose sslserver " + extra + " -CAfile " +
                              (directory.path() / "ca.pem").string() + " " +
                              (directory.path() / "server.pem").string() + " >/dev/null 2>&1";
  return std::system(command.c_str());
}

TEST(Pki, a_strict_verifier_accepts_the_chain_for_every_name_and_key_type) {
  const auto ca = make_ca(today());
  ASSERT_TRUE(ca);
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::rsa_2048}) {
    const auto server = issue_server(*ca, kNames, type, today());
    ASSERT_TRUE(server);
    EXPECT_EQ(openssl_verify(ca->certificate_pem, server->certificate_pem, "-verify_hostname hub.test"), 0);
    EXPECT_EQ(openssl_verify(ca->certificate_pem, server->certificate_pem, "-verify_hostname localhost"), 0);
    EXPECT_EQ(openssl_verify(ca->certificate_pem, server->certificate_pem, "-verify_ip 127.0.0.1"), 0);
    EXPECT_EQ(openssl_verify(ca->certificate_pem, server->certificate_pem, "-verify_ip ::1"), 0);
    EXPECT_NE(openssl_verify(ca->certificate_pem, server->certificate_pem, "-verify_hostname other.test"), 0);
    EXPECT_NE(openssl_verify(make_ca(today())->certificate_pem, server->certificate_pem, ""), 0);
  }
}

TEST(Pki, a_name_cannot_smuggle_in_another_one) {
  const auto ca = make_ca(today());
  const auto server = issue_server(*ca, {"a.test,DNS:evil.test"}, KeyType::ecdsa_p256, today());
  ASSERT_TRUE(server);
  EXPECT_THAT(names_of(server->certificate_pem), ElementsAre("a.test,DNS:evil.test"));
}

TEST(Pki, names_are_kept_in_their_order) {
  const auto server = issue_server(*make_ca(today()), kNames, KeyType::ecdsa_p256, today());
  EXPECT_EQ(names_of(server->certificate_pem), kNames);
}

TEST(Pki, a_name_too_long_for_a_subject_still_gets_a_certificate) {
  const std::string name = std::string(60, 'a') + "." + std::string(60, 'b') + ".test";
  const auto ca = make_ca(today());
  const auto server = issue_server(*ca, {name}, KeyType::ecdsa_p256, today());
  ASSERT_TRUE(server);
  EXPECT_EQ(openssl_verify(ca->certificate_pem, server->certificate_pem, "-verify_hostname " + name), 0);
}

TEST(Pki, a_fresh_certificate_needs_no_renewal) {
  const auto ca = make_ca(today());
  const auto server = issue_server(*ca, kNames, KeyType::ecdsa_p256, today());
  EXPECT_EQ(ca_renewal_reason(*ca, today()), "");
  EXPECT_EQ(server_renewal_reason(*server, *ca, kNames, KeyType::ecdsa_p256, today()), "");
}

TEST(Pki, each_reason_to_make_the_server_certificate_anew_is_found) {
  const auto ca = make_ca(today());
  const auto server = issue_server(*ca, kNames, KeyType::ecdsa_p256, today());
  const auto reason = [&](const KeyPair& pair, const KeyPair& signer, const std::vector<std::string>& names,
                          KeyType type,
                          WallTime now) { return server_renewal_reason(pair, signer, names, type, now); };
  const auto type = KeyType::ecdsa_p256;
  EXPECT_THAT(reason(*server, *ca, {"new.test"}, type, today()), HasSubstr("names"));
  EXPECT_THAT(reason(*server, *ca, kNames, KeyType::rsa_2048, today()), HasSubstr("key type"));
  EXPECT_THAT(reason(*server, *ca, kNames, type, today() + kServerLifetime - kRenewBefore),
              HasSubstr("soon"));
  EXPECT_THAT(reason(*server, *ca, kNames, type, today() + kServerLifetime), HasSubstr("expired"));
  EXPECT_THAT(reason(*server, *ca, kNames, type, today() - std::chrono::days(2)), HasSubstr("not valid yet"));
  EXPECT_THAT(reason(*server, *make_ca(today()), kNames, type, today()), HasSubstr("another CA"));
  EXPECT_THAT(reason({ca->key_pem, server->certificate_pem}, *ca, kNames, type, today()),
              HasSubstr("key is another"));
  EXPECT_THAT(reason({server->key_pem, "x"}, *ca, kNames, type, today()), HasSubstr("cannot be read"));
}

TEST(Pki, an_ipv6_name_in_another_spelling_is_no_change) {
  const auto ca = make_ca(today());
  const auto server = issue_server(*ca, {"fd00::1"}, KeyType::ecdsa_p256, today());
  EXPECT_EQ(server_renewal_reason(*server, *ca, {"fd00:0:0::1"}, KeyType::ecdsa_p256, today()), "");
}

TEST(Pki, a_renewed_ca_verifies_what_the_old_one_signed_and_the_other_way_round) {
  const WallTime long_ago = today() - kCaLifetime + std::chrono::days(20);
  const auto old_ca = make_ca(long_ago);
  EXPECT_THAT(ca_renewal_reason(*old_ca, today()), HasSubstr("soon"));
  const auto old_server = issue_server(*old_ca, kNames, KeyType::ecdsa_p256, today());
  const auto new_ca = renew_ca(*old_ca, today());
  ASSERT_TRUE(new_ca);
  EXPECT_EQ(ca_renewal_reason(*new_ca, today()), "");
  EXPECT_EQ(new_ca->key_pem, old_ca->key_pem);
  const auto new_server = issue_server(*new_ca, kNames, KeyType::ecdsa_p256, today());
  EXPECT_EQ(openssl_verify(new_ca->certificate_pem, old_server->certificate_pem, ""), 0);
  EXPECT_EQ(openssl_verify(old_ca->certificate_pem, new_server->certificate_pem, ""), 0);
  EXPECT_EQ(server_renewal_reason(*old_server, *new_ca, kNames, KeyType::ecdsa_p256, today()), "");
}

TEST(Pki, a_ca_whose_key_is_lost_is_not_renewed) {
  const auto ca = make_ca(today());
  EXPECT_FALSE(renew_ca({"", ca->certificate_pem}, today()));
  EXPECT_FALSE(renew_ca({ca->key_pem, "nonsense"}, today()));
  EXPECT_FALSE(renew_ca({make_ca(today())->key_pem, ca->certificate_pem}, today()));
}

TEST(Pki, two_cas_have_different_subjects_and_fingerprints) {
  const auto a = make_ca(today());
  const auto b = make_ca(today());
  const auto subject = [](const KeyPair& pair) {
    char text[256];
    X509_NAME_oneline(X509_get_subject_name(read_certificate(pair.certificate_pem).get()), text, sizeof text);
    return std::string(text);
  };
  EXPECT_NE(subject(*a), subject(*b));
  EXPECT_NE(sha256_fingerprint(a->certificate_pem), sha256_fingerprint(b->certificate_pem));
  EXPECT_EQ(sha256_fingerprint(a->certificate_pem).size(), 32u * 3 - 1);
}

TEST(Pki, a_users_pair_is_checked_before_it_is_served) {
  const auto ca = make_ca(today());
  const auto server = issue_server(*ca, kNames, KeyType::rsa_2048, today());
  EXPECT_TRUE(check_pair(*server, today()));
  EXPECT_THAT(check_pair({ca->key_pem, server->certificate_pem}, today()).error().detail,
              HasSubstr("not the one"));
  EXPECT_THAT(check_pair({"", server->certificate_pem}, today()).error().detail, HasSubstr("no private key"));
  EXPECT_THAT(check_pair({server->key_pem, ""}, today()).error().detail, HasSubstr("no certificate"));
  EXPECT_THAT(check_pair(*server, today() + std::chrono::days(400)).error().detail, HasSubstr("expired"));
  EXPECT_THAT(check_pair(*server, today() - std::chrono::days(400)).error().detail,
              HasSubstr("not valid yet"));
}

}  // namespace
}  // namespace kyanite::pki
