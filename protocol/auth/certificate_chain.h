#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/base/time.h"

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

// Whether the presented chain (leaf first, DER) leads to one of the trusted CAs at `now`, with dates and
// signatures checked; the CN rule of device-mqtt.md 2.6 is the caller's. Errors: Errc::unauthorized with
// reason.
Result<void> verify_certificate_chain(const std::vector<std::string>& chain_der,
                                      const std::vector<std::string>& trusted_ca_der, WallTime now);

}  // namespace kyanite
