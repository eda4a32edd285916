#include "server/amqp/claims.h"

#include <algorithm>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite {

std::string claim_path(std::string_view audience) {
  const std::string decoded = to_lower_ascii(percent_decode(audience));
  std::string_view rest = decoded;
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    rest.remove_prefix(scheme + 3);
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return {};
  rest.remove_prefix(slash);
  while (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  while (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  return std::string(rest);
}

bool is_below(std::string_view path, std::string_view prefix) {
  if (prefix.empty() || path == prefix) return true;
  return path.size() > prefix.size() && path.substr(0, prefix.size()) == prefix && path[prefix.size()] == '/';
}

bool covers(const Claim& claim, const Identity& identity) {
  const std::vector<std::string>& segments = claim.resource.segments;
  // Which host it is was judged with the token.
  return segments.empty() || sas_scope_covers(claim.resource, identity, {segments.front()});
}

namespace {

// Whatever name the hub has in them.
bool have_one_scope(const SasResource& a, const SasResource& b) {
  if (a.segments.empty() || b.segments.empty()) return a.segments.empty() == b.segments.empty();
  return std::equal(a.segments.begin() + 1, a.segments.end(), b.segments.begin() + 1, b.segments.end());
}

}  // namespace

// Under other rights it is another claim: what the earlier one opened ends with that.
std::optional<Claim> Claims::put(Claim claim) {
  const auto same = std::find_if(claims_.begin(), claims_.end(), [&claim](const Claim& other) {
    if (claim.only) return other.only == claim.only;
    return !other.only && other.audience == claim.audience && other.policy == claim.policy &&
           other.rights == claim.rights && have_one_scope(other.resource, claim.resource);
  });
  if (same != claims_.end()) {
    claim.id = same->id;
    *same = std::move(claim);
    return std::nullopt;
  }
  std::optional<Claim> displaced;
  if (claims_.size() >= kClaimsMax) {
    const auto first = std::min_element(claims_.begin(), claims_.end(),
                                        [](const Claim& a, const Claim& b) { return a.expiry < b.expiry; });
    displaced = std::move(*first);
    claims_.erase(first);
  }
  claim.id = next_id_++;
  claims_.push_back(std::move(claim));
  return displaced;
}

const Claim* Claims::find_right(Right right, std::string_view path) const {
  const Claim* best = nullptr;
  const Claim* by_scope = nullptr;
  for (const Claim& claim : claims_) {
    if (!claim.rights.has(right) || claim.only) continue;
    if (is_below(path, claim.audience)) {
      if (!best || claim.audience.size() > best->audience.size()) best = &claim;
    } else if (is_below(path, claim.scope) && (!by_scope || claim.expiry > by_scope->expiry)) {
      by_scope = &claim;
    }
  }
  return best ? best : by_scope;
}

const Claim* Claims::find_any(Right right) const {
  const Claim* best = nullptr;
  for (const Claim& claim : claims_) {
    if (claim.rights.has(right) && !claim.only && (!best || claim.expiry > best->expiry)) best = &claim;
  }
  return best;
}

const Claim* Claims::find_device(const Identity& identity) const {
  const Claim* best = nullptr;
  for (const Claim& claim : claims_) {
    if (claim.only) {
      if (*claim.only == identity) return &claim;
      continue;
    }
    if (!claim.rights.has(Right::device_connect)) continue;
    if (covers(claim, identity) && (!best || claim.audience.size() > best->audience.size())) best = &claim;
  }
  return best;
}

const Claim* Claims::find(std::uint64_t id) const {
  const auto found =
      std::find_if(claims_.begin(), claims_.end(), [id](const Claim& claim) { return claim.id == id; });
  return found == claims_.end() ? nullptr : &*found;
}

std::vector<Claim> Claims::take_expired(WallTime now) {
  const auto begin = std::stable_partition(claims_.begin(), claims_.end(),
                                           [now](const Claim& claim) { return claim.expiry >= now; });
  std::vector<Claim> ended(std::make_move_iterator(begin), std::make_move_iterator(claims_.end()));
  claims_.erase(begin, claims_.end());
  return ended;
}

std::optional<WallTime> Claims::next_expiry() const {
  std::optional<WallTime> first;
  for (const Claim& claim : claims_) {
    if (claim.expiry != WallTime::max() && (!first || claim.expiry < *first)) first = claim.expiry;
  }
  return first;
}

}  // namespace kyanite
