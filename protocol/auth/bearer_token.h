#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// The public keys of an issuer of bearer tokens, from its JSON Web Key Set (RFC 7517): RSA of 2048 to 8192
// bits and EC on P-256, those for signing. Others are left out.
class BearerKeys {
 public:
  // Errors: config_invalid with a sentence: not a key set, or no usable key in it.
  static Result<BearerKeys> parse(std::string_view jwks);

  std::size_t size() const { return keys_.size(); }

 private:
  friend bool names_unknown_key(std::string_view, const BearerKeys*);
  friend Result<Json> check_bearer_token(std::string_view, const BearerKeys&, std::string_view,
                                         std::string_view, seconds, WallTime);
  struct Key;
  std::vector<std::shared_ptr<const Key>> keys_;
};

// Judges a JSON Web Token (RFC 7519) signed with RS256 or ES256: signature by the key its header names (or by
// each that fits when it names none), issuer, audience, end and begin with the given tolerance. Gives its
// claims. Errors: unauthorized with the reason for the log.
Result<Json> check_bearer_token(std::string_view token, const BearerKeys& keys, std::string_view issuer,
                                std::string_view audience, seconds tolerance, WallTime now);

// When the token ends by its claims, which check_bearer_token gave; far future times become kSasExpiryMax.
WallTime expiry_of_claims(const Json& claims);

// Whether the token's header names a key that is not among these, so that the issuer's newer set may have it.
// Without keys at all every token does that has a header. Nothing of the token is proven.
bool names_unknown_key(std::string_view token, const BearerKeys* keys);

// The texts of a claim: one text, several separated by spaces, or an array of texts.
std::vector<std::string> texts_of_claim(const Json& claims, std::string_view name);

}  // namespace kyanite
