#pragma once

#include <string>
#include <vector>

namespace kyanite::test {

// A certificate made in memory, with its key. The certificate is given as PEM and as DER.
struct TestCertificate {
  std::string certificate_pem;
  std::string certificate_der;
  std::string key_pem;
};

enum class KeyKind { ecdsa_p256, rsa_2048 };

struct LeafOptions {
  KeyKind key = KeyKind::ecdsa_p256;
  long valid_from_seconds = -3600;  // relative to now
  long valid_for_seconds = 86400;
};

// A root CA named `common_name`, or an intermediate when `issuer` is given.
TestCertificate make_ca(const std::string& common_name = "Test CA", const TestCertificate* issuer = nullptr);

// A leaf with the first name as its common name; every name becomes a subjectAltName (IP literals as IP
// addresses).
TestCertificate make_leaf(const TestCertificate& ca, const std::vector<std::string>& names,
                          LeafOptions options = {});

// A certificate that signs itself, as devices with thumbprint authentication use.
TestCertificate make_self_signed(const std::string& common_name, LeafOptions options = {});

}  // namespace kyanite::test
