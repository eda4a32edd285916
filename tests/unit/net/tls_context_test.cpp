#include "server/net/tls_context.h"

#include <gtest/gtest.h>

#include "tests/support/test_certificates.h"

namespace kyanite {
namespace {

using test::KeyKind;
using test::make_ca;
using test::make_leaf;

Error error_of(const TlsCertificate& certificate) {
  TlsContextSettings settings;
  settings.certificate = certificate;
  const auto context = TlsContext::create(settings);
  EXPECT_FALSE(context.has_value());
  return context ? Error{} : context.error();
}

TEST(TlsContext, takes_a_chain_and_a_second_certificate_of_another_kind) {
  const auto ca = make_ca();
  const auto ecdsa = make_leaf(ca, {"a.test"});
  const auto rsa = make_leaf(ca, {"a.test"}, {.key = KeyKind::rsa_2048});
  TlsContextSettings settings;
  settings.certificate = {ecdsa.certificate_pem + ca.certificate_pem, ecdsa.key_pem};
  settings.second = TlsCertificate{rsa.certificate_pem, rsa.key_pem};
  EXPECT_TRUE(TlsContext::create(settings).has_value());
}

TEST(TlsContext, names_what_is_wrong_with_a_certificate_or_key) {
  const auto ca = make_ca();
  const auto leaf = make_leaf(ca, {"a.test"});
  const auto other = make_leaf(ca, {"a.test"});
  const auto text = [](const Error& error) {
    EXPECT_EQ(error.code, Errc::config_invalid);
    return error.detail;
  };
  EXPECT_NE(text(error_of({"", leaf.key_pem})).find("no PEM certificate"), std::string::npos);
  EXPECT_NE(text(error_of({"garbage", leaf.key_pem})).find("no PEM certificate"), std::string::npos);
  EXPECT_NE(text(error_of({leaf.certificate_pem, "garbage"})).find("no PEM private key"), std::string::npos);
  EXPECT_NE(text(error_of({leaf.certificate_pem, other.key_pem})).find("does not belong"), std::string::npos);
}

}  // namespace
}  // namespace kyanite
