#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "protocol/base/result.h"

// The hub's own certificates, by value: a private CA and a server certificate signed by it. They satisfy the
// strictest verifier we know of (openssl verify -x509_strict, Python 3.13) and the SDKs of
// device-mqtt.md 1.3.
namespace kyanite::pki {

inline constexpr std::chrono::days kCaLifetime{3653};
inline constexpr std::chrono::days kServerLifetime{397};  // what browsers and Apple accept at most
inline constexpr std::chrono::days kRenewBefore{30};
// A clock before this is wrong: machines without a battery start in 1970. Certificates are then made for this
// date, and none is made anew for beginning later than the clock says.
inline constexpr WallTime kEarliestNow = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);

struct KeyPair {
  std::string key_pem;  // PKCS#8
  std::string certificate_pem;
};

// A new CA, ECDSA P-256, with a subject of its own so that the CAs of several hubs can be told apart.
Result<KeyPair> make_ca(WallTime now);
// A certificate with the same key, subject and key identifier and a new lifetime: what the old one signed
// stays valid under the new one, and the other way round while both last. Refused when the key is another's.
Result<KeyPair> renew_ca(const KeyPair& ca, WallTime now);

// A server certificate for the names (DNS names or numeric addresses; the first becomes the subject's name).
Result<KeyPair> issue_server(const KeyPair& ca, const std::vector<std::string>& names, KeyType type,
                             WallTime now);

// Why the certificate must be made again, or empty when it may stay. Unreadable text counts as a reason,
// and so does a CA's key that is present and not the one of its certificate.
std::string ca_renewal_reason(const KeyPair& ca, WallTime now);
std::string server_renewal_reason(const KeyPair& server, const KeyPair& ca,
                                  const std::vector<std::string>& names, KeyType type, WallTime now);

// Names of the certificate in their order, addresses in numeric form; empty when it cannot be read.
std::vector<std::string> names_of(std::string_view certificate_pem);
Result<WallTime> expiry_of(std::string_view certificate_pem);
std::string sha256_fingerprint(std::string_view certificate_pem);  // "AB:CD:..." as openssl prints it

// Whether a user-supplied certificate and key can serve: readable, belonging together, within their dates.
// Errors: Errc::config_invalid with a sentence.
Result<void> check_pair(const KeyPair& pair, WallTime now);

}  // namespace kyanite::pki
