#include "tests/support/test_certificates.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace kyanite::test {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;

void require(bool fine) {
  if (!fine) std::abort();
}

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Key make_key(KeyKind kind) {
  Key key(kind == KeyKind::rsa_2048 ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256"));
  require(key != nullptr);
  return key;
}

Key read_key(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

Certificate read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

std::string subject_alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    unsigned char address[sizeof(in6_addr)];
    const bool is_address =
        inet_pton(AF_INET, name.c_str(), address) == 1 || inet_pton(AF_INET6, name.c_str(), address) == 1;
    text += (text.empty() ? "" : ",") + std::string(is_address ? "IP:" : "DNS:") + name;
  }
  return text;
}

struct Request {
  std::string common_name;
  std::vector<std::string> names;  // none: no subjectAltName
  bool is_ca = false;
  LeafOptions options;
};

TestCertificate make(const Request& request, const TestCertificate* issuer) {
  const Key key = make_key(request.options.key);
  const Certificate certificate(X509_new());
  X509* x = certificate.get();
  std::uint64_t serial = 0;
  require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  require(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1);
  X509_gmtime_adj(X509_getm_notBefore(x), request.options.valid_from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(x), request.options.valid_for_seconds);
  X509_set_pubkey(x, key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(request.common_name.c_str()), -1, -1, 0);

  const Certificate issuer_certificate = issuer ? read_certificate(issuer->certificate_pem) : nullptr;
  const Key issuer_key = issuer ? read_key(issuer->key_pem) : nullptr;
  X509* signer = issuer ? issuer_certificate.get() : x;
  X509_set_issuer_name(x, X509_get_subject_name(signer));
  add_extension(x, signer, NID_basic_constraints, request.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(x, signer, NID_key_usage,
                request.is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  add_extension(x, signer, NID_subject_key_identifier, "hash");
  if (!request.names.empty())
    add_extension(x, signer, NID_subject_alt_name, subject_alternative_names(request.names));
  require(X509_sign(x, issuer ? issuer_key.get() : key.get(), EVP_sha256()) > 0);

  TestCertificate result;
  const Bio certificate_bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_bio.get(), x);
  result.certificate_pem = text_of(certificate_bio);
  const Bio key_bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  result.key_pem = text_of(key_bio);
  const Bio der_bio(BIO_new(BIO_s_mem()));
  i2d_X509_bio(der_bio.get(), x);
  result.certificate_der = text_of(der_bio);
  return result;
}

}  // namespace

TestCertificate make_ca(const std::string& common_name, const TestCertificate* issuer) {
  return make({.common_name = common_name, .names = {}, .is_ca = true, .options = {}}, issuer);
}

TestCertificate make_leaf(const TestCertificate& ca, const std::vector<std::string>& names,
                          LeafOptions options) {
  return make({.common_name = names.at(0), .names = names, .is_ca = false, .options = options}, &ca);
}

TestCertificate make_self_signed(const std::string& common_name, LeafOptions options) {
  return make({.common_name = common_name, .names = {}, .is_ca = false, .options = options}, nullptr);
}

}  // namespace kyanite::test
