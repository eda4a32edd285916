#include "server/hub/authenticator.h"

#include <algorithm>

#include "protocol/auth/bearer_token.h"
#include "protocol/auth/certificate_chain.h"
#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

Error refused(std::string reason) { return Error(Errc::unauthorized, std::move(reason)); }

// Far future expiries saturate, so the grace is taken off `now` instead of being added to the expiry.
bool is_expired(WallTime expiry, seconds grace, WallTime now) { return now - grace > expiry; }

bool matches_either_key(const SasToken& token, const std::string& primary, const std::string& secondary) {
  return (!primary.empty() && sas_signature_matches(token, primary)) ||
         (!secondary.empty() && sas_signature_matches(token, secondary));
}

// A policy's token, proven but for its scope (spec device-mqtt.md 2.5, 3.5).
Result<const AccessPolicy*> check_policy_token(const SasToken& token, const HubSecurity& security) {
  const AccessPolicy* policy = find_policy(security.policies, token.policy);
  if (!policy) return refused("unknown policy");
  if (!matches_either_key(token, policy->primary_key, policy->secondary_key))
    return refused("wrong signature");
  return policy;
}

// The identity's own token opens the identity's own resource and nothing wider (spec device-mqtt.md 3.4).
Result<AuthScope> check_own_token(const SasToken& token, const SasResource& resource,
                                  const IdentityRecord& identity, const HubSecurity& security) {
  const bool is_module = identity.id.is_module();
  if (is_module ? security.rules.disable_module_sas : security.rules.disable_device_sas) {
    return refused("SAS tokens are switched off");
  }
  if (!matches_either_key(token, identity.primary_key, identity.secondary_key))
    return refused("wrong signature");
  const std::size_t own_segments = is_module ? 5 : 3;  // host/devices/{d}[/modules/{m}]
  if (resource.segments.size() < own_segments) return refused("scope wider than the identity");
  return is_module ? AuthScope::module : AuthScope::device;
}

Result<AuthVerdict> check_sas(const IdentityRecord& identity, const Credentials& credentials,
                              const HubSecurity& security, WallTime now) {
  if (!credentials.sas_token || credentials.sas_token->empty()) return refused("no password");
  if (security.rules.disable_local_auth) return refused("tokens are switched off for all connections");
  const Result<SasToken> token = parse_sas_token(*credentials.sas_token);
  if (!token) return token.error();
  if (is_expired(token->expiry, security.rules.sas_grace, now)) return refused("token expired");
  const Result<SasResource> resource = parse_sas_resource(token->resource_raw);
  if (!resource) return resource.error();

  AuthVerdict verdict{AuthScope::hub, AuthKind::sas, token->expiry};
  if (token->policy.empty()) {
    const Result<AuthScope> scope = check_own_token(*token, *resource, identity, security);
    if (!scope) return scope.error();
    verdict.scope = *scope;
  } else {
    const Result<const AccessPolicy*> policy = check_policy_token(*token, security);
    if (!policy) return policy.error();
    if (!(*policy)->rights.has(Right::device_connect)) return refused("policy without DeviceConnect");
  }
  std::vector<std::string> hosts = security.host_names;
  // Where any host is accepted in a user name, the same goes for tokens (2.3).
  if (!security.rules.strict_host && !resource->segments.empty()) hosts.push_back(resource->segments.front());
  if (!sas_scope_covers(*resource, identity.id, hosts)) return refused("scope does not cover the identity");
  return verdict;
}

// The leaf that was presented, in its dates (spec device-mqtt.md 2.6).
Result<CertificateFacts> check_leaf(const Credentials& credentials, WallTime now) {
  if (credentials.certificate_chain.empty()) return refused("no client certificate");
  Result<CertificateFacts> leaf = read_certificate(credentials.certificate_chain.front());
  if (!leaf) return refused("unreadable client certificate");
  if (now < leaf->not_before) return refused("client certificate not yet valid");
  if (now > leaf->not_after) return refused("client certificate expired");
  return leaf;
}

AuthVerdict certificate_verdict(const IdentityRecord& identity, const CertificateFacts& leaf) {
  return {identity.id.is_module() ? AuthScope::module : AuthScope::device, AuthKind::x509, leaf.not_after};
}

Result<AuthVerdict> check_thumbprint(const IdentityRecord& identity, const Credentials& credentials,
                                     WallTime now) {
  const Result<CertificateFacts> leaf = check_leaf(credentials, now);
  if (!leaf) return leaf.error();
  const std::string& der = credentials.certificate_chain.front();
  if (!thumbprint_matches(identity.primary_thumbprint, der) &&
      !thumbprint_matches(identity.secondary_thumbprint, der)) {
    return refused("thumbprint is not the registered one");
  }
  return certificate_verdict(identity, *leaf);
}

Result<AuthVerdict> check_chain(const IdentityRecord& identity, const Credentials& credentials,
                                const HubSecurity& security, WallTime now) {
  const Result<CertificateFacts> leaf = check_leaf(credentials, now);
  if (!leaf) return leaf.error();
  const std::string expected =
      identity.id.is_module() ? identity.id.device + "/" + identity.id.module : identity.id.device;
  if (leaf->common_name != expected) return refused("common name is not the identity");
  if (const Result<void> chain = security.trusted_cas.verify(credentials.certificate_chain, now); !chain) {
    return chain.error();
  }
  return certificate_verdict(identity, *leaf);
}

// The registered type decides; a credential of another kind is ignored (spec device-mqtt.md 2.6).
Result<AuthVerdict> check_credentials(const IdentityRecord& identity, const Credentials& credentials,
                                      const HubSecurity& security, WallTime now) {
  switch (identity.auth_type) {
    case AuthenticationType::sas:
      return check_sas(identity, credentials, security, now);
    case AuthenticationType::self_signed:
      return check_thumbprint(identity, credentials, now);
    case AuthenticationType::certificate_authority:
      return check_chain(identity, credentials, security, now);
    case AuthenticationType::none:
      break;
  }
  return refused("the identity has no credentials");
}

}  // namespace

TrustStore trust_store_of(const std::vector<CaCertificateRecord>& ca_certificates) {
  std::vector<std::string> trusted;
  for (const CaCertificateRecord& ca : ca_certificates) {
    if (ca.verified) trusted.push_back(ca.der);
  }
  return TrustStore(trusted);
}

Result<AuthVerdict> authenticate_device(const IdentityRecord& identity, IdentityStatus device_status,
                                        const Credentials& credentials, const HubSecurity& security,
                                        WallTime now) {
  Result<AuthVerdict> verdict = check_credentials(identity, credentials, security, now);
  // Only who proved itself may learn that the device is disabled (spec device-mqtt.md 2.7).
  if (verdict && device_status == IdentityStatus::disabled) return Error(Errc::device_disabled);
  return verdict;
}

namespace {

constexpr std::string_view kBearerScheme = "bearer ";

// What "NAME=POLICY" grants when the name is this one.
Rights granted(const std::string& grant, std::string_view name, const HubSecurity& security) {
  const std::size_t sign = grant.rfind('=');
  if (sign == std::string::npos || !equal_in_constant_time(grant.substr(0, sign), name)) return {};
  const AccessPolicy* policy = find_policy(security.policies, std::string_view(grant).substr(sign + 1));
  return policy ? policy->rights : Rights();
}

}  // namespace

Result<BearerGrant> judge_bearer_token(std::string_view token, const HubSecurity& security, WallTime now) {
  BearerGrant grant_of_token;
  Rights& held = grant_of_token.rights;
  for (const std::string& grant : security.rules.test_tokens) held = held | granted(grant, token, security);
  if (held == Rights() && security.bearer_keys) {
    const Result<Json> claims = check_bearer_token(token, *security.bearer_keys, security.rules.bearer_issuer,
                                                   security.rules.bearer_audience, limits::kClockSkew, now);
    if (!claims) return claims.error();
    grant_of_token.expiry = expiry_of_claims(*claims);
    for (const std::string& value : texts_of_claim(*claims, security.rules.bearer_claim)) {
      for (const std::string& grant : security.rules.bearer_rights)
        held = held | granted(grant, value, security);
    }
  }
  if (held == Rights()) return refused("bearer token without any right");
  return grant_of_token;
}

Result<void> authorize_service(std::string_view authorization, NeededRights needed,
                               const std::vector<std::string>& path_segments, const HubSecurity& security,
                               WallTime now) {
  if (authorization.empty()) return refused("no Authorization");
  if (equals_ignoring_case(authorization.substr(0, kBearerScheme.size()), kBearerScheme)) {
    const Result<BearerGrant> held =
        judge_bearer_token(authorization.substr(kBearerScheme.size()), security, now);
    if (!held) return held.error();
    if (!needed.met_by(held->rights)) return refused("bearer token without the right needed");
    return {};
  }
  const Result<SasToken> token = parse_sas_token(authorization);
  if (!token) return token.error();
  if (token->policy.empty()) return refused("a device's token does not open the service");
  if (is_expired(token->expiry, limits::kClockSkew, now)) return refused("token expired");
  const Result<SasResource> resource = parse_sas_resource(token->resource_raw);
  if (!resource) return resource.error();
  const Result<const AccessPolicy*> policy = check_policy_token(*token, security);
  if (!policy) return policy.error();
  if (!needed.met_by((*policy)->rights)) return refused("policy without the right needed");
  if (!sas_scope_covers_path(*resource, path_segments, security.host_names)) {
    return refused("scope does not cover the resource");
  }
  return {};
}

bool may_need_newer_keys(std::string_view authorization, const HubSecurity& security) {
  return equals_ignoring_case(authorization.substr(0, kBearerScheme.size()), kBearerScheme) &&
         names_unknown_key(authorization.substr(kBearerScheme.size()), security.bearer_keys.get());
}

Result<DeviceCaller> judge_device_caller(std::string_view authorization, bool has_certificate,
                                         const std::vector<std::string>& path_segments,
                                         const HubSecurity& security, WallTime now) {
  if (authorization.empty()) {
    if (has_certificate) return DeviceCaller::own;
    return refused("no Authorization and no client certificate");
  }
  const Result<SasToken> token = parse_sas_token(authorization);
  if (!token) return token.error();
  if (token->policy.empty()) {
    // Refused here already, it costs the owner nothing. All of it is looked at again with the identity.
    if (!has_certificate && is_expired(token->expiry, security.rules.sas_grace, now)) {
      return refused("token expired");
    }
    return DeviceCaller::own;
  }
  const NeededRights needed = NeededRights::any_of(Right::device_connect);
  if (auto proven = authorize_service(authorization, needed, path_segments, security, now); !proven) {
    return proven.error();
  }
  return DeviceCaller::policy;
}

}  // namespace kyanite
