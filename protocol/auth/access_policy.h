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

inline constexpr Rights kAllRights =
    Rights(Right::registry_read) | Right::registry_write | Right::service_connect | Right::device_connect;

// What an operation asks of the policy that signs for it. Without any right in it, nobody meets it.
struct NeededRights {
  Rights rights;
  bool every = false;  // all of `rights`, else one of them

  static constexpr NeededRights any_of(Rights rights) { return {rights, false}; }
  static constexpr NeededRights all_of(Rights rights) { return {rights, true}; }
  bool met_by(Rights held) const;
  friend constexpr bool operator==(NeededRights, NeededRights) = default;
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

enum class PolicyKey { primary, secondary };

// Matched ignoring case (spec device-mqtt.md 3.5); nullptr when absent.
const AccessPolicy* find_policy(const std::vector<AccessPolicy>& policies, std::string_view name);

}  // namespace kyanite
