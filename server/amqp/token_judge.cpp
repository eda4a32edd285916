#include "server/amqp/token_judge.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/username.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/authenticator.h"

namespace kyanite {
namespace {

constexpr std::string_view kSasScheme = "SharedAccessSignature";
constexpr std::string_view kBearerScheme = "Bearer ";
constexpr std::size_t kTokenBytesMax = 16 * 1024;
constexpr std::size_t kAudienceBytesMax = 2 * 1024;

Error refused(std::string reason) { return Error(Errc::unauthorized, std::move(reason)); }

bool begins_with(std::string_view text, std::string_view prefix) {
  return equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Event Hubs SDKs sign with the text of the key, IoT SDKs with what it stands for (spec 3.3).
bool matches(const SasToken& token, const std::string& key) {
  return !key.empty() && (sas_signature_matches(token, key) || sas_signature_matches_text(token, key));
}

std::string path_of(const SasResource& resource) {
  std::string path;
  for (std::size_t i = 1; i < resource.segments.size(); ++i) {
    if (i > 1) path += '/';
    path += resource.segments[i];
  }
  return to_lower_ascii(path);
}

// The identity that a device's resource or audience names.
std::optional<Identity> identity_of(const std::vector<std::string>& segments) {
  const bool is_module = segments.size() >= 5 && equals_ignoring_case(segments[3], "modules");
  if (segments.size() < 3 || !equals_ignoring_case(segments[1], "devices")) return std::nullopt;
  Identity identity{segments[2], is_module ? segments[4] : std::string()};
  if (!is_valid_id(identity.device) || (is_module && !is_valid_id(identity.module))) return std::nullopt;
  return identity;
}

Result<Claim> judge_sas(std::string_view text, std::string_view audience, const HubSecurity& security,
                        WallTime now) {
  if (security.rules.disable_local_auth) return refused("tokens are switched off for all connections");
  const Result<SasToken> token = parse_sas_token(text);
  if (!token) return token.error();
  if (now - security.rules.sas_grace > token->expiry) return refused("token expired");
  const Result<SasResource> resource = parse_sas_resource(token->resource_raw);
  if (!resource) return resource.error();
  if (security.rules.strict_host && !is_accepted_host(resource->segments.front(), security.host_names)) {
    return refused("the token is for host " + resource->segments.front() + ", which is not one of the hub's");
  }
  Claim claim;
  claim.scope = path_of(*resource);
  claim.resource = *resource;
  claim.audience = audience.empty() ? claim.scope : claim_path(audience);
  claim.expiry = token->expiry;
  claim.credentials.sas_token = std::string(text);
  if (!is_below(claim.audience, claim.scope)) {
    // Ids may be encoded once more in one of the two; the token is what counts.
    if (!is_below(to_lower_ascii(percent_decode(claim.audience)),
                  to_lower_ascii(percent_decode(claim.scope)))) {
      return refused("the audience is not covered by the token's sr");
    }
  }
  if (token->policy.empty()) {
    // The audience names the identity as the client means it; its letters count there, in the sr they may
    // not.
    std::optional<Identity> identity;
    if (!audience.empty()) {
      const Result<SasResource> named = parse_sas_resource(audience);
      if (named) identity = identity_of(named->segments);
    }
    if (!identity) identity = identity_of(resource->segments);
    if (!identity) return refused("a token without skn must name a device");
    claim.only = std::move(identity);
    return claim;
  }
  const AccessPolicy* policy = find_policy(security.policies, token->policy);
  if (!policy) return refused("unknown policy");
  if (!matches(*token, policy->primary_key) && !matches(*token, policy->secondary_key)) {
    return refused("wrong signature");
  }
  claim.policy = policy->name;
  claim.rights = policy->rights;
  return claim;
}

Result<Claim> judge_bearer(std::string_view token, std::string_view audience, const HubSecurity& security,
                           WallTime now) {
  const Result<BearerGrant> granted = judge_bearer_token(token, security, now);
  if (!granted) return granted.error();
  Claim claim;
  claim.audience = claim_path(audience);
  // A scope URL of the issuer is no path of the hub's: the token opens what its rights say.
  if (audience.find(".default") != std::string_view::npos) claim.audience.clear();
  claim.policy = "bearer";
  claim.rights = granted->rights;
  claim.expiry = granted->expiry;
  return claim;
}

}  // namespace

Result<Claim> judge_token(std::string_view token, std::string_view audience, const HubSecurity& security,
                          WallTime now) {
  if (token.empty()) return refused("no token");
  if (token.size() > kTokenBytesMax || audience.size() > kAudienceBytesMax) {
    return refused("the token or its audience is too long");
  }
  if (begins_with(token, kSasScheme)) return judge_sas(token, audience, security, now);
  if (begins_with(token, kBearerScheme)) {
    return judge_bearer(token.substr(kBearerScheme.size()), audience, security, now);
  }
  const bool looks_like_jwt = std::count(token.begin(), token.end(), '.') == 2;
  if (looks_like_jwt) return judge_bearer(token, audience, security, now);
  return refused("neither a shared access signature nor a bearer token");
}

Result<Claim> judge_plain(std::string_view response, const HubSecurity& security, WallTime now) {
  // [authorization identity] NUL user NUL password
  if (response.size() > kTokenBytesMax) return refused("the response of PLAIN is too long");
  const std::size_t first = response.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : response.find('\0', first + 1);
  if (second == std::string_view::npos) return refused("the response of PLAIN needs two NULs");
  const std::string_view user = response.substr(first + 1, second - first - 1);
  const std::string_view password = response.substr(second + 1);
  if (user.empty() || password.empty()) return refused("PLAIN needs a user name and a password");
  const std::size_t sas = user.rfind("@sas.");
  if (sas == std::string_view::npos) {
    // An Event Hubs client with the key itself.
    if (security.rules.disable_local_auth) return refused("keys are switched off for all connections");
    const AccessPolicy* policy = find_policy(security.policies, user);
    if (!policy) return refused("unknown policy");
    if (!equal_in_constant_time(policy->primary_key, password) &&
        !equal_in_constant_time(policy->secondary_key, password)) {
      return refused("wrong key");
    }
    Claim claim;
    claim.policy = policy->name;
    claim.rights = policy->rights;
    return claim;
  }
  Result<Claim> claim = judge_sas(password, {}, security, now);
  if (!claim) return claim;
  const std::string_view name = user.substr(0, sas);
  const bool is_policy = begins_with(user.substr(sas), "@sas.root.");
  if (is_policy) {
    if (!equals_ignoring_case(claim->policy, name)) return refused("the user name is not the token's policy");
    return claim;
  }
  const std::size_t module = name.find("/modules/");
  Identity identity{std::string(name.substr(0, module)),
                    module == std::string_view::npos ? std::string() : std::string(name.substr(module + 9))};
  if (!is_valid_id(identity.device)) return refused("the user name is no device id");
  const bool is_for_it = claim->policy.empty()
                             ? claim->only == identity
                             : claim->rights.has(Right::device_connect) && covers(*claim, identity);
  if (!is_for_it) return refused("the token is not for the device of the user name");
  claim->only = std::move(identity);
  return claim;
}

}  // namespace kyanite
