#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/auth/access_policy.h"
#include "protocol/base/ids.h"
#include "protocol/base/time.h"
#include "server/hub/device_messages.h"

namespace kyanite {

// What a proven token opens on a connection (spec amqp.md 3). Names the links it authorised by `id`, which a
// renewal keeps.
struct Claim {
  std::uint64_t id = 0;
  std::string audience;          // path below the host, decoded, lower case where case does not matter
  std::string policy;            // of a policy's token; empty for a device's own
  Rights rights;                 // of the policy
  std::optional<Identity> only;  // a policy's token whose scope is one device, or the device's own
  Credentials credentials;       // of a device's own: what its owner judges when a link comes
  WallTime expiry{};             // without grace
};

// Claims holds the claims of one connection. A later put for the same audience replaces the earlier one.
// Bound: kClaimsMax; the one that ends first gives way.
class Claims {
 public:
  static constexpr std::size_t kClaimsMax = 4'096;

  // The claim with the id it has here.
  const Claim& put(Claim claim);
  // One that gives the right to a hub-wide node; the one that lives longest.
  const Claim* find_right(Right right) const;
  // One for the links of this identity: its own token, or a policy's with DeviceConnect that covers it.
  const Claim* find_device(const Identity& identity) const;
  const Claim* find(std::uint64_t id) const;
  // Takes out what ended at or before `now`.
  std::vector<Claim> take_expired(WallTime now);
  std::optional<WallTime> next_expiry() const;
  bool empty() const { return claims_.empty(); }

 private:
  std::vector<Claim> claims_;
  std::uint64_t next_id_ = 1;
};

}  // namespace kyanite
