#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "protocol/auth/access_policy.h"
#include "storage/records.h"

namespace kyanite {

// An immutable snapshot of what credentials are judged against. Shard 0 makes a new one at each change and
// posts it to every shard; nobody shares a mutable one.
struct HubSecurity {
  std::vector<std::string> host_names;  // accepted, canonical first
  std::vector<AccessPolicy> policies;
  std::vector<CaCertificateRecord> ca_certificates;
  Settings::Auth rules;
};
using HubSecurityPtr = std::shared_ptr<const HubSecurity>;

}  // namespace kyanite
