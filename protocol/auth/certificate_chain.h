#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/base/time.h"

struct x509_store_st;  // libcrypto's X509_STORE

namespace kyanite {

struct CertificateFacts {
  std::string subject;      // one line
  std::string common_name;  // of the subject, UTF-8; empty when absent
  std::string sha256;       // upper-case hex
  WallTime not_before{};
  WallTime not_after{};
  bool is_ca = false;
};

// Errors: Errc::argument_invalid when the bytes are no certificate.
Result<CertificateFacts> read_certificate(std::string_view der);
Result<std::vector<std::string>> pem_to_der(std::string_view pem);  // every CERTIFICATE block, in order
std::string der_to_pem(std::string_view der);

// The CAs that a hub trusts, parsed once: parsing one costs more than a tenth of a millisecond. Copies share
// the parsed certificates, and verify() may be called from several threads.
class TrustStore {
 public:
  TrustStore() = default;  // trusts nobody
  // Entries that are no certificate are left out, so that one of them cannot lock out every device.
  explicit TrustStore(const std::vector<std::string>& trusted_ca_der);

  // Whether the presented chain (leaf first, DER) leads to one of the CAs at `now`, with dates and signatures
  // checked; the CN rule of device-mqtt.md 2.6 is the caller's. Errors: Errc::unauthorized with reason.
  // Bound: limits::kCertificateChainMax certificates.
  Result<void> verify(const std::vector<std::string>& chain_der, WallTime now) const;

 private:
  // OpenSSL takes the first issuer of a name without trying the others, and a CA that got a new key often
  // keeps its name: CAs of one name stand in different stores, which are tried in turn.
  std::vector<std::shared_ptr<x509_store_st>> stores_;
};

// TrustStore::verify() with a store made for this one call.
Result<void> verify_certificate_chain(const std::vector<std::string>& chain_der,
                                      const std::vector<std::string>& trusted_ca_der, WallTime now);

}  // namespace kyanite
