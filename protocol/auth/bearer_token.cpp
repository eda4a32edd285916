#include "protocol/auth/bearer_token.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/auth/sas_token.h"
#include "protocol/base/base64.h"
#include "protocol/base/limits.h"

namespace kyanite {
namespace {

constexpr std::size_t kBearerTokenBytesMax = 16 * 1024;
constexpr std::size_t kBearerKeysMax = 64;
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;
constexpr std::size_t kP256Bytes = 32;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BigNumber = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using PublicKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

// What OpenSSL notes of a bad key or signature must not be there when the thread's TLS looks.
struct ErrorsForgotten {
  ~ErrorsForgotten() { ERR_clear_error(); }
};

Error bad_bearer(std::string why) { return Error(Errc::unauthorized, "bearer token: " + std::move(why)); }

// Base64 for URLs without padding (RFC 4648 section 5).
std::optional<std::string> decode_base64url(std::string_view text) {
  std::string standard(text);
  if (standard.find_first_of("+/=") != std::string::npos) return std::nullopt;
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return decode_base64(standard);
}

const unsigned char* octets(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Names in key sets and tokens do not ignore case.
std::string text_member(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

BigNumber number_member(const Json& jwk, const char* name) {
  const auto bytes = decode_base64url(text_member(jwk, name));
  if (!bytes || bytes->empty() || bytes->size() > 2048) return nullptr;
  return BigNumber(BN_bin2bn(octets(*bytes), static_cast<int>(bytes->size()), nullptr));
}

PublicKey build_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return PublicKey(key);
}

PublicKey rsa_key(const Json& jwk) {
  const BigNumber modulus = number_member(jwk, "n"), exponent = number_member(jwk, "e");
  if (!modulus || !exponent) return nullptr;
  const int bits = BN_num_bits(modulus.get());
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) return nullptr;
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  return build_key("RSA", builder.get());
}

PublicKey ec_key(const Json& jwk) {
  if (text_member(jwk, "crv") != "P-256") return nullptr;
  const auto x = decode_base64url(text_member(jwk, "x")), y = decode_base64url(text_member(jwk, "y"));
  if (!x || !y || x->size() != kP256Bytes || y->size() != kP256Bytes) return nullptr;
  const std::string point = "\x04" + *x + *y;
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1) {
    return nullptr;
  }
  return build_key("EC", builder.get());
}

// A signature as the token has it, 32 bytes each of r and s, in the form OpenSSL takes.
std::string der_of(const std::string& raw) {
  if (raw.size() != 2 * kP256Bytes) return {};
  const EcSignature signature(ECDSA_SIG_new());
  BigNumber r(BN_bin2bn(octets(raw), kP256Bytes, nullptr));
  BigNumber s(BN_bin2bn(octets(raw) + kP256Bytes, kP256Bytes, nullptr));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &bytes);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

bool has_signed(EVP_PKEY* key, std::string_view text, const std::string& signature) {
  const DigestContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
}

// Seconds since 1970, also as a fraction.
std::optional<double> time_claim(const Json& claims, const char* name) {
  const auto member = claims.find(name);
  if (member == claims.end() || !member->is_number()) return std::nullopt;
  return member->get<double>();
}

Result<void> check_times(const Json& claims, seconds tolerance, WallTime now) {
  const double present = static_cast<double>(now.time_since_epoch().count()) / 1000;
  const auto slack = static_cast<double>(tolerance.count());
  const std::optional<double> end = time_claim(claims, "exp");
  if (!end) return bad_bearer("no exp");
  if (!(present < *end + slack)) return bad_bearer("expired");
  if (claims.contains("nbf")) {
    const std::optional<double> begin = time_claim(claims, "nbf");
    if (!begin || !(present + slack >= *begin)) return bad_bearer("not valid yet");
  }
  return {};
}

bool names_audience(const Json& claims, std::string_view audience) {
  const auto member = claims.find("aud");
  if (member == claims.end()) return false;
  if (member->is_string()) return member->get<std::string>() == audience;
  return member->is_array() && std::any_of(member->begin(), member->end(), [&](const Json& one) {
           return one.is_string() && one.get<std::string>() == audience;
         });
}

}  // namespace

struct BearerKeys::Key {
  std::string id;
  std::string algorithm;  // RS256 or ES256
  std::shared_ptr<EVP_PKEY> key;
};

Result<BearerKeys> BearerKeys::parse(std::string_view jwks) {
  const ErrorsForgotten at_end;
  const Result<Json> document = parse_json(jwks);
  const auto bad = [](std::string why) {
    return Error(Errc::config_invalid, "not a JSON Web Key Set: " + why);
  };
  if (!document || !document->is_object() || !document->contains("keys") || !(*document)["keys"].is_array())
    return bad("an object with an array \"keys\" was expected");
  if ((*document)["keys"].size() > kBearerKeysMax) return bad("more than 64 keys");
  BearerKeys keys;
  for (const Json& jwk : (*document)["keys"]) {
    if (!jwk.is_object()) return bad("a key is not an object");
    const std::string use = text_member(jwk, "use"), type = text_member(jwk, "kty"),
                      algorithm = text_member(jwk, "alg");
    if (!use.empty() && use != "sig") continue;
    auto key = std::make_shared<Key>();
    key->id = text_member(jwk, "kid");
    key->algorithm = type == "RSA" ? "RS256" : type == "EC" ? "ES256" : "";
    if (key->algorithm.empty() || (!algorithm.empty() && algorithm != key->algorithm)) continue;
    key->key = type == "RSA" ? rsa_key(jwk) : ec_key(jwk);
    if (key->key) keys.keys_.push_back(std::move(key));
  }
  if (keys.keys_.empty()) return bad("it has no key for RS256 (2048 bits at least) or ES256");
  return keys;
}

Result<Json> check_bearer_token(std::string_view token, const BearerKeys& keys, std::string_view issuer,
                                std::string_view audience, seconds tolerance, WallTime now) {
  if (token.size() > kBearerTokenBytesMax) return bad_bearer("too long");
  const ErrorsForgotten at_end;
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return bad_bearer("not three parts");
  const auto head_text = decode_base64url(token.substr(0, first));
  const auto body_text = decode_base64url(token.substr(first + 1, second - first - 1));
  const auto signature = decode_base64url(token.substr(second + 1));
  if (!head_text || !body_text || !signature || signature->empty()) return bad_bearer("not base64url");
  const Result<Json> head = parse_json(*head_text);
  if (!head || !head->is_object()) return bad_bearer("its header is not JSON");
  // What a header asks to be understood is not (RFC 7515 section 4.1.11).
  if (head->contains("crit")) return bad_bearer("critical headers");
  const std::string algorithm = text_member(*head, "alg"), id = text_member(*head, "kid");
  if (algorithm != "RS256" && algorithm != "ES256") return bad_bearer("algorithm is not RS256 or ES256");
  const std::string to_verify = algorithm == "ES256" ? der_of(*signature) : *signature;
  const bool is_signed = std::any_of(keys.keys_.begin(), keys.keys_.end(), [&](const auto& key) {
    return key->algorithm == algorithm && (id.empty() || key->id == id) &&
           has_signed(key->key.get(), token.substr(0, second), to_verify);
  });
  if (!is_signed) return bad_bearer("no key of the issuer has signed it");
  Result<Json> claims = parse_json(*body_text);
  if (!claims || !claims->is_object()) return bad_bearer("its claims are not JSON");
  if (text_member(*claims, "iss") != issuer) return bad_bearer("another issuer");
  if (!names_audience(*claims, audience)) return bad_bearer("another audience");
  if (const Result<void> times = check_times(*claims, tolerance, now); !times) return times.error();
  return claims;
}

WallTime expiry_of_claims(const Json& claims) {
  const double end = time_claim(claims, "exp").value_or(0);
  const auto latest = static_cast<double>(kSasExpiryMax.time_since_epoch() / seconds(1));
  if (!(end < latest)) return kSasExpiryMax;
  return WallTime(milliseconds(static_cast<std::int64_t>(std::max(end, 0.0) * 1000)));
}

bool names_unknown_key(std::string_view token, const BearerKeys* keys) {
  const std::size_t first = token.find('.');
  if (token.size() > kBearerTokenBytesMax || first == std::string_view::npos) return false;
  const auto head_text = decode_base64url(token.substr(0, first));
  const Result<Json> head = head_text ? parse_json(*head_text) : Error(Errc::unauthorized);
  if (!head || !head->is_object()) return false;
  if (!keys) return true;
  const std::string id = text_member(*head, "kid");
  return !id.empty() && std::none_of(keys->keys_.begin(), keys->keys_.end(),
                                     [&id](const auto& key) { return key->id == id; });
}

std::vector<std::string> texts_of_claim(const Json& claims, std::string_view name) {
  std::vector<std::string> texts;
  const auto member = claims.find(std::string(name));
  if (member == claims.end()) return texts;
  if (member->is_array()) {
    for (const Json& one : *member) {
      if (one.is_string()) texts.push_back(one.get<std::string>());
    }
  } else if (member->is_string()) {
    const auto text = member->get<std::string>();
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find(' ', begin), text.size());
      if (end > begin) texts.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return texts;
}

}  // namespace kyanite
