#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "protocol/auth/access_policy.h"
#include "protocol/auth/bearer_token.h"
#include "protocol/auth/certificate_chain.h"
#include "storage/records.h"

namespace kyanite {

// The verified ones of these, parsed for judging chains.
TrustStore trust_store_of(const std::vector<CaCertificateRecord>& ca_certificates);

// An immutable snapshot of what credentials are judged against. Shard 0 makes a new one at each change and
// posts it to every shard; nobody shares a mutable one.
struct HubSecurity {
  std::vector<std::string> host_names;  // accepted, canonical first
  std::vector<AccessPolicy> policies;
  std::vector<CaCertificateRecord> ca_certificates;
  Settings::Auth rules;
  std::shared_ptr<const BearerKeys> bearer_keys;  // of rules.bearer_issuer; null: no bearer tokens
  // Follows from ca_certificates; whoever changes those in a copy makes this anew.
  TrustStore trusted_cas = trust_store_of(ca_certificates);
};
using HubSecurityPtr = std::shared_ptr<const HubSecurity>;

}  // namespace kyanite
