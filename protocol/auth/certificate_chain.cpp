#include "protocol/auth/certificate_chain.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <map>
#include <memory>
#include <optional>

#include "protocol/auth/thumbprint.h"
#include "protocol/base/assert.h"
#include "protocol/base/limits.h"

namespace kyanite {
namespace {

constexpr std::size_t kCertificateBytesMax = 64 * 1024;

template <auto Free>
struct FreeBy {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, FreeBy<X509_free>>;
using Bio = std::unique_ptr<BIO, FreeBy<BIO_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, FreeBy<X509_STORE_CTX_free>>;

struct CertificatesFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using Certificates = std::unique_ptr<STACK_OF(X509), CertificatesFree>;

// The error queue belongs to the thread, and a TLS stream on the same thread reads it to judge its own calls:
// nothing may be left there.
class ErrorQueueGuard {
 public:
  ErrorQueueGuard() { ERR_set_mark(); }
  ~ErrorQueueGuard() { ERR_pop_to_mark(); }
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
};

// Null when the bytes are not exactly one certificate.
Certificate parse_der(std::string_view der) {
  if (der.empty() || der.size() > kCertificateBytesMax) return nullptr;
  const auto* const begin = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* position = begin;
  Certificate certificate(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
  if (certificate && position != begin + der.size()) certificate.reset();
  return certificate;
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string subject_line(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  KYANITE_ASSERT(bio != nullptr);
  // RFC 2253 escapes control characters; letters beyond ASCII stay readable.
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  return bio_text(bio.get());
}

// The last common name is the most specific one when there are several.
std::string common_name_of(const X509_NAME* name) {
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

std::optional<WallTime> to_wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  using namespace std::chrono;
  const sys_days date = year(parts.tm_year + 1900) / month(static_cast<unsigned>(parts.tm_mon + 1)) /
                        day(static_cast<unsigned>(parts.tm_mday));
  return WallTime(date + hours(parts.tm_hour) + minutes(parts.tm_min) + seconds(parts.tm_sec));
}

Error refused(std::string reason) { return {Errc::unauthorized, "client certificate: " + std::move(reason)}; }

void set_parameters(X509_STORE_CTX* context, WallTime now) {
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context);
  // A registered CA is trusted as it stands, also when it is an intermediate. No purpose is set: certificates
  // of devices often carry no extended key usage, or only that of servers.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::floor<seconds>(now).time_since_epoch().count());
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(limits::kCertificateChainMax));
  X509_VERIFY_PARAM_set_auth_level(parameters, 1);  // no signature by MD5 or SHA-1, no RSA below 1024 bits
}

Result<void> verify_against(X509_STORE* store, X509* leaf, STACK_OF(X509) * untrusted, WallTime now) {
  const StoreContext context(X509_STORE_CTX_new());
  KYANITE_ASSERT(context != nullptr && X509_STORE_CTX_init(context.get(), store, leaf, untrusted) == 1);
  set_parameters(context.get(), now);
  if (X509_verify_cert(context.get()) == 1) return {};
  return refused(std::string(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))) +
                 " (certificate " + std::to_string(X509_STORE_CTX_get_error_depth(context.get())) +
                 " of the chain)");
}

}  // namespace

Result<CertificateFacts> read_certificate(std::string_view der) {
  const ErrorQueueGuard guard;
  const Certificate certificate = parse_der(der);
  if (!certificate) return Error(Errc::argument_invalid, "not an X.509 certificate");
  const auto not_before = to_wall_time(X509_get0_notBefore(certificate.get()));
  const auto not_after = to_wall_time(X509_get0_notAfter(certificate.get()));
  if (!not_before || !not_after)
    return Error(Errc::argument_invalid, "the certificate's dates are malformed");
  const X509_NAME* const subject = X509_get_subject_name(certificate.get());
  CertificateFacts facts;
  facts.subject = subject_line(subject);
  facts.common_name = common_name_of(subject);
  facts.sha256 = sha256_thumbprint(der);
  facts.not_before = *not_before;
  facts.not_after = *not_after;
  facts.is_ca = X509_check_ca(certificate.get()) != 0;
  return facts;
}

Result<std::vector<std::string>> pem_to_der(std::string_view pem) {
  const ErrorQueueGuard guard;
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KYANITE_ASSERT(bio != nullptr);
  std::vector<std::string> certificates;
  char *name = nullptr, *header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    const std::string_view label = name;
    const bool wanted = label == PEM_STRING_X509 || label == PEM_STRING_X509_OLD;
    std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (!wanted) continue;
    if (!parse_der(der))
      return Error(Errc::argument_invalid, "a CERTIFICATE block holds no X.509 certificate");
    certificates.push_back(std::move(der));
  }
  const unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    return Error(Errc::argument_invalid, "the PEM text is damaged");
  }
  if (certificates.empty()) return Error(Errc::argument_invalid, "no CERTIFICATE block in PEM form");
  return certificates;
}

std::string der_to_pem(std::string_view der) {
  const ErrorQueueGuard guard;
  const Bio bio(BIO_new(BIO_s_mem()));
  KYANITE_ASSERT(bio != nullptr);
  const int written =
      PEM_write_bio(bio.get(), PEM_STRING_X509, "", reinterpret_cast<const unsigned char*>(der.data()),
                    static_cast<long>(der.size()));
  return written > 0 ? bio_text(bio.get()) : std::string();
}

TrustStore::TrustStore(const std::vector<std::string>& trusted_ca_der) {
  const ErrorQueueGuard guard;
  std::map<std::string, std::size_t> of_name;
  for (const std::string& der : trusted_ca_der) {
    const Certificate ca = parse_der(der);
    if (!ca) continue;
    const std::size_t place = of_name[subject_line(X509_get_subject_name(ca.get()))]++;
    if (place == stores_.size()) {
      stores_.emplace_back(X509_STORE_new(), X509_STORE_free);
      KYANITE_ASSERT(stores_.back() != nullptr);
    }
    X509_STORE_add_cert(stores_[place].get(), ca.get());
  }
}

Result<void> TrustStore::verify(const std::vector<std::string>& chain_der, WallTime now) const {
  const ErrorQueueGuard guard;
  if (chain_der.empty()) return refused("none was presented");
  if (chain_der.size() > limits::kCertificateChainMax) return refused("the chain is too long");
  if (stores_.empty()) return refused("no CA is registered");
  const Certificate leaf = parse_der(chain_der.front());
  if (!leaf) return refused("malformed");
  const Certificates untrusted(sk_X509_new_null());
  KYANITE_ASSERT(untrusted != nullptr);
  for (std::size_t i = 1; i < chain_der.size(); ++i) {
    Certificate certificate = parse_der(chain_der[i]);
    if (!certificate) return refused("a certificate of the chain is malformed");
    if (sk_X509_push(untrusted.get(), certificate.get()) > 0) static_cast<void>(certificate.release());
  }
  Result<void> outcome;
  for (const auto& store : stores_) {
    outcome = verify_against(store.get(), leaf.get(), untrusted.get(), now);
    if (outcome) break;
  }
  return outcome;
}

Result<void> verify_certificate_chain(const std::vector<std::string>& chain_der,
                                      const std::vector<std::string>& trusted_ca_der, WallTime now) {
  return TrustStore(trusted_ca_der).verify(chain_der, now);
}

}  // namespace kyanite
