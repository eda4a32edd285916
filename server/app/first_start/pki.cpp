#include "server/app/first_start/pki.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <optional>

#include "server/app/first_start/openssl_types.h"

namespace kyanite::pki {
namespace {

// Clocks of devices and of the hub may differ a little: certificates begin a day before they are made.
constexpr std::chrono::hours kBackdated{24};
constexpr int kVersion3 = 2;

Error openssl_error(const char* doing) {
  char reason[160] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, reason, sizeof reason);
  ERR_clear_error();
  return Error(Errc::internal, std::string(doing) + ": " + reason);
}

std::time_t to_time_t(WallTime time) { return std::chrono::system_clock::to_time_t(time); }

Key make_key(KeyType type) {
  if (type == KeyType::rsa_2048) return Key(EVP_RSA_gen(2048));
  return Key(EVP_EC_gen("P-256"));
}

std::string random_serial() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7Fu) | 0x40u);  // positive, and never shorter
  return {bytes.begin(), bytes.end()};
}

bool set_serial(X509* certificate) {
  const std::string bytes = random_serial();
  if (bytes.empty()) return false;
  BIGNUM* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()), nullptr);
  const bool done = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return done;
}

bool set_dates(X509* certificate, WallTime now, std::chrono::days lifetime) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), to_time_t(now - kBackdated)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), to_time_t(now + lifetime - kBackdated)) != nullptr;
}

bool add_name_entry(X509_NAME* name, const char* field, const std::string& text) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Built as values, never as configuration text, so that a name cannot smuggle in another extension.
bool add_alt_names(X509* certificate, const std::vector<std::string>& names) {
  const AltNames list(GENERAL_NAMES_new());
  for (const std::string& name : names) {
    GENERAL_NAME* entry = GENERAL_NAME_new();
    if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str())) {
      GENERAL_NAME_set0_value(entry, GEN_IPADD, address);
    } else {
      ASN1_IA5STRING* text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
      GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    }
    if (sk_GENERAL_NAME_push(list.get(), entry) <= 0) {
      GENERAL_NAME_free(entry);
      return false;
    }
  }
  ERR_clear_error();  // a2i_IPADDRESS leaves one for each DNS name
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

Result<KeyPair> signed_pair(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, EVP_sha256()) == 0) return openssl_error("signing a certificate");
  KeyPair out{write_key(key), write_certificate(certificate)};
  if (out.key_pem.empty() || out.certificate_pem.empty()) return openssl_error("writing a certificate");
  return out;
}

// A self-signed CA certificate for the key; with `subject` it renews one, without it the subject is new.
Result<KeyPair> make_ca_certificate(EVP_PKEY* key, const X509_NAME* subject, WallTime now) {
  const Certificate certificate(X509_new());
  X509* const x = certificate.get();
  if (!x || X509_set_version(x, kVersion3) != 1 || !set_serial(x) || !set_dates(x, now, kCaLifetime)) {
    return openssl_error("making a CA certificate");
  }
  if (subject) {
    X509_set_subject_name(x, subject);
  } else {
    const std::string serial = random_serial();
    std::string tag;
    for (std::size_t i = 1; i < 5 && i < serial.size(); ++i) {
      constexpr std::string_view kHex = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(serial[i]);
      tag += kHex[byte >> 4];
      tag += kHex[byte & 15u];
    }
    if (!add_name_entry(X509_get_subject_name(x), "O", "Kyanite") ||
        !add_name_entry(X509_get_subject_name(x), "CN", "Kyanite private CA " + tag)) {
      return openssl_error("naming a CA");
    }
  }
  X509_set_issuer_name(x, X509_get_subject_name(x));
  X509_set_pubkey(x, key);
  if (!add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(x, x, NID_subject_key_identifier, "hash") ||
      !add_extension(x, x, NID_authority_key_identifier, "keyid:always")) {
    return openssl_error("describing a CA");
  }
  return signed_pair(x, key, key);
}

std::optional<WallTime> to_wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::from_time_t(timegm(&parts)));
}

// Empty when the certificate has begun and does not end soon.
std::string date_reason(X509* certificate, WallTime now) {
  const auto begin = to_wall_time(X509_get0_notBefore(certificate));
  const auto end = to_wall_time(X509_get0_notAfter(certificate));
  if (!begin || !end) return "its dates cannot be read";
  if (*begin > now && now > kEarliestNow) return "it is not valid yet";
  if (*end <= now) return "it has expired";
  if (*end - now < kRenewBefore) return "it expires soon";
  return {};
}

bool belong_together(X509* certificate, EVP_PKEY* key) {
  if (X509_check_private_key(certificate, key) == 1) return true;
  ERR_clear_error();
  return false;
}

std::string numeric_address(const ASN1_OCTET_STRING* address) {
  const unsigned char* bytes = ASN1_STRING_get0_data(address);
  const int size = ASN1_STRING_length(address);
  std::string out;
  if (size == 4) {
    for (int i = 0; i < 4; ++i) out += (i > 0 ? "." : "") + std::to_string(bytes[i]);
    return out;
  }
  for (int i = 0; i + 1 < size; i += 2) {  // compared by bytes below, so the long form is enough
    char group[8];
    std::snprintf(group, sizeof group, "%s%x", i > 0 ? ":" : "", (bytes[i] << 8) | bytes[i + 1]);
    out += group;
  }
  return out == "0:0:0:0:0:0:0:1" ? "::1" : out;
}

std::string canonical(const std::string& name) {
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str())) {
    std::string out = numeric_address(address);
    ASN1_OCTET_STRING_free(address);
    return out;
  }
  ERR_clear_error();
  return name;
}

}  // namespace

Result<KeyPair> make_ca(WallTime now) {
  const Key key = make_key(KeyType::ecdsa_p256);
  if (!key) return openssl_error("making the CA's key");
  return make_ca_certificate(key.get(), nullptr, now);
}

Result<KeyPair> renew_ca(const KeyPair& ca, WallTime now) {
  const Key key = read_key(ca.key_pem);
  const Certificate old = read_certificate(ca.certificate_pem);
  if (!key || !old) return Error(Errc::config_invalid, "the CA's key or certificate cannot be read");
  if (!belong_together(old.get(), key.get())) {
    return Error(Errc::config_invalid, "the CA's key is not the one of its certificate");
  }
  return make_ca_certificate(key.get(), X509_get_subject_name(old.get()), now);
}

Result<KeyPair> issue_server(const KeyPair& ca, const std::vector<std::string>& names, KeyType type,
                             WallTime now) {
  const Key ca_key = read_key(ca.key_pem);
  const Certificate issuer = read_certificate(ca.certificate_pem);
  if (!ca_key || !issuer) return Error(Errc::config_invalid, "the CA's key or certificate cannot be read");
  if (names.empty()) return Error(Errc::internal, "a server certificate needs a name");
  const Key key = make_key(type);
  const Certificate certificate(X509_new());
  X509* const x = certificate.get();
  if (!key || !x || X509_set_version(x, kVersion3) != 1 || !set_serial(x) ||
      !set_dates(x, now, kServerLifetime)) {
    return openssl_error("making a server certificate");
  }
  constexpr std::size_t kCommonNameMax = 64;
  const std::string common_name = names.front().size() <= kCommonNameMax ? names.front() : "kyanite";
  if (!add_name_entry(X509_get_subject_name(x), "CN", common_name)) return openssl_error("naming a server");
  X509_set_issuer_name(x, X509_get_subject_name(issuer.get()));
  X509_set_pubkey(x, key.get());
  const char* usage =
      type == KeyType::rsa_2048 ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
  if (!add_extension(x, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(x, issuer.get(), NID_key_usage, usage) ||
      !add_extension(x, issuer.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(x, issuer.get(), NID_subject_key_identifier, "hash") ||
      !add_extension(x, issuer.get(), NID_authority_key_identifier, "keyid:always") ||
      !add_alt_names(x, names)) {
    return openssl_error("describing a server");
  }
  return signed_pair(x, key.get(), ca_key.get());
}

std::string ca_renewal_reason(const KeyPair& ca, WallTime now) {
  const Certificate certificate = read_certificate(ca.certificate_pem);
  if (!certificate) return "it cannot be read";
  // Without its key the CA serves on until something has to be signed.
  if (!ca.key_pem.empty()) {
    const Key key = read_key(ca.key_pem);
    if (!key) return "its key cannot be read";
    if (!belong_together(certificate.get(), key.get())) return "its key is another one";
  }
  return date_reason(certificate.get(), now);
}

std::string server_renewal_reason(const KeyPair& server, const KeyPair& ca,
                                  const std::vector<std::string>& names, KeyType type, WallTime now) {
  const Certificate certificate = read_certificate(server.certificate_pem);
  const Certificate issuer = read_certificate(ca.certificate_pem);
  const Key key = read_key(server.key_pem);
  if (!certificate || !issuer || !key) return "it cannot be read";
  if (!belong_together(certificate.get(), key.get())) return "its key is another one";
  if (X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) != 1) {
    ERR_clear_error();
    return "another CA signed it";
  }
  if (std::string reason = date_reason(certificate.get(), now); !reason.empty()) return reason;
  std::vector<std::string> wanted;
  for (const std::string& name : names) wanted.push_back(canonical(name));
  if (names_of(server.certificate_pem) != wanted) return "the names changed";
  const bool is_rsa = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
  if (is_rsa != (type == KeyType::rsa_2048)) return "the key type changed";
  return {};
}

std::vector<std::string> names_of(std::string_view certificate_pem) {
  std::vector<std::string> out;
  const Certificate certificate = read_certificate(certificate_pem);
  if (!certificate) return out;
  const AltNames list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list.get(), i), &type);
    if (type == GEN_DNS) {
      const auto* text = static_cast<const ASN1_IA5STRING*>(value);
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
    } else if (type == GEN_IPADD) {
      out.push_back(numeric_address(static_cast<const ASN1_OCTET_STRING*>(value)));
    }
  }
  return out;
}

Result<WallTime> expiry_of(std::string_view certificate_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  const auto end = certificate ? to_wall_time(X509_get0_notAfter(certificate.get())) : std::nullopt;
  if (!end) return Error(Errc::config_invalid, "no certificate in PEM form");
  return *end;
}

std::string sha256_fingerprint(std::string_view certificate_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!certificate || X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) return {};
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    char pair[4];
    std::snprintf(pair, sizeof pair, "%s%02X", i > 0 ? ":" : "", digest[i]);
    out += pair;
  }
  return out;
}

Result<void> check_pair(const KeyPair& pair, WallTime now) {
  const Certificate certificate = read_certificate(pair.certificate_pem);
  if (!certificate)
    return Error(Errc::config_invalid, "the certificate file holds no certificate in PEM form");
  const Key key = read_key(pair.key_pem);
  if (!key)
    return Error(Errc::config_invalid, "the key file holds no private key in PEM form without a password");
  if (!belong_together(certificate.get(), key.get())) {
    return Error(Errc::config_invalid, "the private key is not the one of the certificate");
  }
  const auto begin = to_wall_time(X509_get0_notBefore(certificate.get()));
  const auto end = to_wall_time(X509_get0_notAfter(certificate.get()));
  if (!begin || !end || *end <= now) return Error(Errc::config_invalid, "the certificate has expired");
  if (*begin > now) return Error(Errc::config_invalid, "the certificate is not valid yet; check the clock");
  return {};
}

}  // namespace kyanite::pki
