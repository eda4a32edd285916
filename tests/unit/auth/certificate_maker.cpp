#include "tests/unit/auth/certificate_maker.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "protocol/base/assert.h"

namespace kyanite::test {
namespace {

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  KYANITE_ASSERT(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

X509* parse(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  return d2i_X509(nullptr, &bytes, static_cast<long>(der.size()));
}

std::int64_t to_seconds(WallTime time) {
  return std::chrono::floor<seconds>(time).time_since_epoch().count();
}

}  // namespace

MadeCertificate make_certificate(const CertificateWish& wish) {
  MadeCertificate made;
  made.key.reset(EVP_EC_gen("P-256"), EVP_PKEY_free);
  KYANITE_ASSERT(made.key != nullptr);
  X509* const certificate = X509_new();
  X509* const issuer = wish.issuer != nullptr ? parse(wish.issuer->der) : nullptr;
  static long serial = 1;
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  ASN1_TIME_set(X509_getm_notBefore(certificate), to_seconds(wish.not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate), to_seconds(wish.not_after));
  X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.data()),
                             static_cast<int>(wish.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer != nullptr ? issuer : certificate));
  X509_set_pubkey(certificate, made.key.get());
  add_extension(certificate, issuer != nullptr ? issuer : certificate, NID_basic_constraints,
                wish.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!wish.extended_key_usage.empty()) {
    add_extension(certificate, nullptr, NID_ext_key_usage, wish.extended_key_usage.c_str());
  }
  EVP_PKEY* const signer = wish.issuer != nullptr ? wish.issuer->key.get() : made.key.get();
  KYANITE_ASSERT(X509_sign(certificate, signer, EVP_sha256()) > 0);
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  KYANITE_ASSERT(size > 0);
  made.der.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  X509_free(issuer);
  X509_free(certificate);
  return made;
}

}  // namespace kyanite::test
