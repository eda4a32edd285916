#include "protocol/auth/bearer_token.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>

#include "protocol/auth/sas_token.h"
#include "protocol/base/base64.h"

namespace kyanite {
namespace {

using namespace std::chrono_literals;

std::string base64url(const std::string& bytes) {
  std::string text = encode_base64(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// A key of an issuer: signs, and shows its public half as JSON Web Key.
class Signer {
 public:
  explicit Signer(bool rsa, unsigned bits = 2048)
      : rsa_(rsa),
        key_(rsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits))
                 : EVP_EC_gen("P-256")) {}
  ~Signer() { EVP_PKEY_free(key_); }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  Json jwk(const std::string& id) const {
    if (rsa_) {
      return {{"kty", "RSA"},
              {"use", "sig"},
              {"alg", "RS256"},
              {"kid", id},
              {"n", number(OSSL_PKEY_PARAM_RSA_N, 0)},
              {"e", number(OSSL_PKEY_PARAM_RSA_E, 0)}};
    }
    return {{"kty", "EC"},
            {"crv", "P-256"},
            {"kid", id},
            {"x", number(OSSL_PKEY_PARAM_EC_PUB_X, 32)},
            {"y", number(OSSL_PKEY_PARAM_EC_PUB_Y, 32)}};
  }

  std::string sign(const Json& head, const Json& claims) const {
    const std::string text = base64url(head.dump()) + "." + base64url(claims.dump());
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_);
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return text + "." + base64url(rsa_ ? signature : raw(signature));
  }

 private:
  std::string number(const char* name, int padded) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_, name, &number);
    std::string bytes(static_cast<std::size_t>(padded > 0 ? padded : BN_num_bytes(number)), '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    BN_free(number);
    return base64url(bytes);
  }
  static std::string raw(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string bytes(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(bytes.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32);
    ECDSA_SIG_free(signature);
    return bytes;
  }

  bool rsa_;
  EVP_PKEY* key_;
};

class BearerToken : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(ERR_peek_error(), 0u) << "the thread's error queue must stay clean for TLS";
  }

  const WallTime now{std::chrono::milliseconds(1'800'000'000'000)};
  Signer rsa{true}, ec{false}, stranger{true};
  BearerKeys keys = BearerKeys::parse(Json{{"keys", {rsa.jwk("r"), ec.jwk("e")}}}.dump()).value();

  Json claims() const {
    return {{"iss", "https://issuer.test"}, {"aud", "hub"}, {"exp", 1'800'000'600}, {"roles", {"admin"}}};
  }
  static Json head(const char* algorithm, const char* id) {
    return {{"alg", algorithm}, {"typ", "JWT"}, {"kid", id}};
  }
  Result<Json> check(const std::string& token, WallTime at) const {
    return check_bearer_token(token, keys, "https://issuer.test", "hub", 300s, at);
  }
  Result<Json> check(const std::string& token) const { return check(token, now); }
  std::string why(const std::string& token) const {
    const Result<Json> checked = check(token);
    EXPECT_TRUE(checked || checked.error().code == Errc::unauthorized);
    return checked ? "accepted" : checked.error().detail;
  }
};

TEST_F(BearerToken, rs256_and_es256_are_accepted) {
  EXPECT_EQ(why(rsa.sign(head("RS256", "r"), claims())), "accepted");
  EXPECT_EQ(why(ec.sign(head("ES256", "e"), claims())), "accepted");
  EXPECT_EQ(why(ec.sign({{"alg", "ES256"}}, claims())), "accepted") << "without a key id each key is tried";
  EXPECT_EQ(texts_of_claim(check(rsa.sign(head("RS256", "r"), claims())).value(), "roles"),
            std::vector<std::string>{"admin"});
}

TEST_F(BearerToken, no_other_algorithm_is) {
  for (const char* algorithm : {"none", "None", "HS256", "RS512", "PS256", "ES384", ""}) {
    EXPECT_NE(why(rsa.sign(head(algorithm, "r"), claims())), "accepted") << algorithm;
  }
  const std::string unsigned_token = base64url(R"({"alg":"none"})") + "." + base64url(claims().dump()) + ".";
  EXPECT_NE(why(unsigned_token), "accepted");
  EXPECT_NE(why(rsa.sign({{"typ", "JWT"}}, claims())), "accepted");
  Json critical = head("RS256", "r");
  critical["crit"] = {"b64"};
  EXPECT_NE(why(rsa.sign(critical, claims())), "accepted");
}

TEST_F(BearerToken, the_key_must_be_the_one_that_is_named_and_of_the_issuer) {
  EXPECT_NE(why(rsa.sign(head("RS256", "e"), claims())), "accepted");
  EXPECT_NE(why(rsa.sign(head("RS256", "other"), claims())), "accepted");
  EXPECT_NE(why(rsa.sign(head("ES256", "r"), claims())), "accepted");
  EXPECT_NE(why(stranger.sign(head("RS256", "r"), claims())), "accepted");
  EXPECT_NE(why(stranger.sign({{"alg", "RS256"}}, claims())), "accepted");
}

TEST_F(BearerToken, a_key_that_is_not_known_is_told_from_one_that_is) {
  EXPECT_FALSE(names_unknown_key(rsa.sign(head("RS256", "r"), claims()), &keys));
  EXPECT_FALSE(names_unknown_key(stranger.sign(head("RS256", "r"), claims()), &keys));
  EXPECT_TRUE(names_unknown_key(stranger.sign(head("RS256", "new"), claims()), &keys));
  EXPECT_FALSE(names_unknown_key(stranger.sign({{"alg", "RS256"}}, claims()), &keys)) << "it names none";
  EXPECT_TRUE(names_unknown_key(rsa.sign(head("RS256", "r"), claims()), nullptr));
  for (const char* rubbish : {"", ".", "a.b.c", "bm8.x.y", "e30", "W10.x.y"}) {
    EXPECT_FALSE(names_unknown_key(rubbish, nullptr)) << rubbish;
  }
  EXPECT_FALSE(names_unknown_key(std::string(20'000, 'a') + ".x.y", nullptr));
}

TEST_F(BearerToken, a_changed_byte_is_found) {
  const std::string token = ec.sign(head("ES256", "e"), claims());
  for (std::size_t at = 0; at < token.size(); at += 3) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    if (changed == token) continue;
    const Result<Json> checked = check(changed);
    // The last character holds bits that no byte needs; strict base64 refuses them, or the signature stays.
    EXPECT_TRUE(!checked || at + 1 == token.size()) << at;
  }
}

TEST_F(BearerToken, issuer_and_audience_must_be_ours) {
  Json other = claims();
  other["iss"] = "https://issuer.test/";
  EXPECT_NE(why(rsa.sign(head("RS256", "r"), other)), "accepted");
  other = claims();
  other["aud"] = "another";
  EXPECT_NE(why(rsa.sign(head("RS256", "r"), other)), "accepted");
  other.erase("aud");
  EXPECT_NE(why(rsa.sign(head("RS256", "r"), other)), "accepted");
  other["aud"] = {"another", "hub"};
  EXPECT_EQ(why(rsa.sign(head("RS256", "r"), other)), "accepted");
}

TEST_F(BearerToken, time_is_judged_with_the_tolerance) {
  const std::string token = rsa.sign(head("RS256", "r"), claims());
  EXPECT_TRUE(check(token, now + 899s));
  EXPECT_FALSE(check(token, now + 901s));
  Json early = claims();
  early["nbf"] = 1'800'000'300;
  EXPECT_EQ(why(rsa.sign(head("RS256", "r"), early)), "accepted");
  early["nbf"] = 1'800'000'301;
  EXPECT_NE(why(rsa.sign(head("RS256", "r"), early)), "accepted");
  early["nbf"] = "soon";
  EXPECT_NE(why(rsa.sign(head("RS256", "r"), early)), "accepted");
  Json endless = claims();
  endless.erase("exp");
  EXPECT_NE(why(rsa.sign(head("RS256", "r"), endless)), "accepted");
}

TEST_F(BearerToken, what_is_no_token_is_refused) {
  for (const std::string token :
       {"", ".", "..", "a.b.c", "a.b", "e30.e30.AA", "e30.e30.e30.e30", "\xff.\xff.\xff"}) {
    EXPECT_NE(why(token), "accepted") << token;
  }
  EXPECT_NE(why(std::string(100'000, 'a')), "accepted");
}

TEST_F(BearerToken, key_sets_are_judged_when_they_are_read) {
  for (const std::string text :
       {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[1]})",
        R"({"keys":[{"kty":"oct","k":"AAAA"}]})", R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})",
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})"}) {
    EXPECT_FALSE(BearerKeys::parse(text)) << text;
  }
  Json encryption = rsa.jwk("x");
  encryption["use"] = "enc";
  EXPECT_EQ(BearerKeys::parse(Json{{"keys", {encryption, ec.jwk("e")}}}.dump())->size(), 1u);
  EXPECT_FALSE(BearerKeys::parse(Json{{"keys", {Signer(true, 1024).jwk("short")}}}.dump()));
}

TEST(BearerClaims, end_when_they_say) {
  EXPECT_EQ(expiry_of_claims({{"exp", 1'800'000'600}}), WallTime(std::chrono::seconds(1'800'000'600)));
  EXPECT_EQ(expiry_of_claims({{"exp", 1'800'000'600.5}}),
            WallTime(std::chrono::milliseconds(1'800'000'600'500)));
  EXPECT_EQ(expiry_of_claims({{"exp", 1e300}}), kSasExpiryMax);
  EXPECT_EQ(expiry_of_claims({{"exp", -5}}), WallTime{});
  EXPECT_EQ(expiry_of_claims(Json::object()), WallTime{});
}

TEST(BearerClaims, are_texts_words_or_arrays) {
  const Json claims = {{"a", "one two  three"}, {"b", {"x y", 1, "z"}}, {"c", 7}};
  EXPECT_EQ(texts_of_claim(claims, "a"), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(texts_of_claim(claims, "b"), (std::vector<std::string>{"x y", "z"}));
  EXPECT_TRUE(texts_of_claim(claims, "c").empty());
  EXPECT_TRUE(texts_of_claim(claims, "d").empty());
}

}  // namespace
}  // namespace kyanite
