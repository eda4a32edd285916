#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace kyanite {

enum class Right : std::uint8_t {
  registry_read = 1,
  registry_write = 2,
  service_connect = 4,
  device_connect = 8
};

// A set of rights; registry_write implies registry_read (spec service-rest.md 2.2).
struct Rights {
  std::uint8_t bits = 0;
  constexpr Rights() = default;
  constexpr Rights(Right right)
      : bits(static_cast<std::uint8_t>(right)) {}  // NOLINT(google-explicit-constructor)
  constexpr bool has(Right right) const {
    const auto bit = static_cast<std::uint8_t>(right);
    if ((bits & bit) != 0) return true;
    return right == Right::registry_read && (bits & static_cast<std::uint8_t>(Right::registry_write)) != 0;
  }
  friend constexpr Rights operator|(Rights a, Rights b) {
    Rights sum;
    sum.bits = static_cast<std::uint8_t>(a.bits | b.bits);
    return sum;
  }
  friend constexpr bool operator==(Rights, Rights) = default;
};

// A shared access policy: a name, two base64 keys and what they open.
struct AccessPolicy {
  std::string name;
  std::string primary_key;
  std::string secondary_key;
  Rights rights;
  friend bool operator==(const AccessPolicy&, const AccessPolicy&) = default;
};

// The five of a new hub, in the service's order, without keys (spec service-rest.md 2.2).
std::vector<AccessPolicy> default_access_policies();

std::string rights_to_text(Rights rights);  // "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect"
Result<Rights> rights_from_text(std::string_view text);

// Matched ignoring case (spec device-mqtt.md 3.5); nullptr when absent.
const AccessPolicy* find_policy(const std::vector<AccessPolicy>& policies, std::string_view name);

}  // namespace kyanite
