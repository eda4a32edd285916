#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/auth/access_policy.h"
#include "protocol/auth/sas_token.h"
#include "protocol/base/ids.h"
#include "protocol/base/time.h"
#include "server/hub/device_messages.h"

namespace kyanite {

// What a proven credential opens on a connection (spec amqp.md 3). Names the links it authorised by `id`,
// which a renewal keeps.
struct Claim {
  std::uint64_t id = 0;
  std::string audience;               // path below the host, decoded, lower case; empty: the whole hub
  std::string scope;                  // the same of the token's own resource, which is never narrower
  SasResource resource;               // the token's, decoded once; empty: the whole hub
  std::string policy;                 // of a policy's token; empty for a device's own credential
  Rights rights;                      // of the policy, or of a bearer token
  std::optional<Identity> only;       // the one identity that it opens
  Credentials credentials;            // what a device's owner judges when a link comes
  WallTime expiry = WallTime::max();  // without grace
};

// The audience or the resource of a token as a claim keeps it: without scheme, host, port and slashes at the
// ends, percent-decoded, lower case.
std::string claim_path(std::string_view audience);
// True when `path` is `prefix` or lies below it, by whole segments.
bool is_below(std::string_view path, std::string_view prefix);

// Whether a policy's claim covers the identity, by the rule that MQTT has (spec device-mqtt.md 3.4).
bool covers(const Claim& claim, const Identity& identity);

// Claims holds the claims of one connection. A later put replaces the earlier one for the same audience with
// the same rights, or of the same identity.
// Bound: kClaimsMax; the one that ends first gives way.
class Claims {
 public:
  static constexpr std::size_t kClaimsMax = 4'096;

  // Gives the one that had to give way: the links that it opened end.
  std::optional<Claim> put(Claim claim);
  // The one that opens a hub-wide node with this path (see claim_path): its policy has the right, and its
  // audience is the closest to the path, else its scope covers it.
  const Claim* find_right(Right right, std::string_view path) const;
  // Any with the right, whatever its audience.
  const Claim* find_any(Right right) const;
  // The one for the links of this identity: its own credential, or a policy's with DeviceConnect.
  const Claim* find_device(const Identity& identity) const;
  const Claim* find(std::uint64_t id) const;
  // Takes out what ended before `now`.
  std::vector<Claim> take_expired(WallTime now);
  // The first end of any; nothing when none ends.
  std::optional<WallTime> next_expiry() const;
  bool empty() const { return claims_.empty(); }

 private:
  std::vector<Claim> claims_;
  std::uint64_t next_id_ = 1;
};

}  // namespace kyanite
