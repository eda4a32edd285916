#include "server/hub/active_faults.h"

#include <algorithm>

#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kShareSteps = 1'000'000;

}  // namespace

std::string_view device_in_path(const std::vector<std::string>& path) {
  if (path.size() < 2) return {};
  const bool names_device = equals_ignoring_case(path[0], "devices") ||
                            equals_ignoring_case(path[0], "twins") ||
                            equals_ignoring_case(path[0], "digitaltwins");
  return names_device ? std::string_view(path[1]) : std::string_view();
}

bool FaultScope::matches_device(std::string_view device_id) const {
  if (is_hub()) return true;
  if (device_id.empty()) return false;
  if (!device.empty()) return device == device_id;
  const std::uint64_t place = stable_hash(std::to_string(seed).append("/").append(device_id)) % kShareSteps;
  return static_cast<double>(place) < share_percent / 100 * static_cast<double>(kShareSteps);
}

bool FaultScope::matches(const Identity& identity) const {
  return matches_device(identity.device) && (module.empty() || module == identity.module);
}

bool FaultRoute::matches(HttpVerb of, const std::vector<std::string>& path) const {
  if (verb != HttpVerb::other && verb != of) return false;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i] == "**") return true;
    if (i >= path.size()) return false;
    if (segments[i] != "*" && !equals_ignoring_case(segments[i], path[i])) return false;
  }
  return segments.size() == path.size();
}

Result<FaultRoute> parse_fault_route(std::string_view text) {
  const Error bad(Errc::argument_invalid, "a route is a verb or *, a space and a path, as \"GET /twins/*\"");
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.size() > limits::kFaultRouteBytesMax) return bad;
  FaultRoute route;
  const std::string_view verb = text.substr(0, space);
  const std::string_view path = text.substr(space + 1);
  if (verb != "*") {
    route.verb = parse_http_verb(verb);
    if (route.verb == HttpVerb::other) return bad;
  }
  if (!path.starts_with('/') || path.find(' ') != std::string_view::npos) return bad;
  HttpRequest request;
  parse_http_target(path, request);
  route.segments = std::move(request.segments);
  const auto rest = std::find(route.segments.begin(), route.segments.end(), "**");
  if (rest != route.segments.end() && rest + 1 != route.segments.end()) return bad;
  route.text = text;
  return route;
}

bool Fault::take() {
  const std::uint64_t number = seen.fetch_add(1, std::memory_order_relaxed) + 1;
  if (number < rule.nth) return false;
  if (rule.count && number - rule.nth >= *rule.count) return false;
  hits.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Fault::is_used_up() const { return rule.count && hits.load(std::memory_order_relaxed) >= *rule.count; }

Fault* ActiveFaults::take(FaultKind kind, const Identity& identity) const {
  for (const FaultPtr& fault : faults_) {
    const FaultRule& rule = fault->rule;
    if (rule.kind != kind || rule.is_about_requests() || !rule.scope.matches(identity)) continue;
    if (fault->take()) return fault.get();
  }
  return nullptr;
}

Fault* ActiveFaults::take_drop(FaultMoment moment, const Identity& identity) const {
  for (const FaultPtr& fault : faults_) {
    const FaultRule& rule = fault->rule;
    if (rule.kind != FaultKind::drop || rule.is_about_requests() || rule.moment != moment ||
        !rule.scope.matches(identity))
      continue;
    if (fault->take()) return fault.get();
  }
  return nullptr;
}

FaultPtr ActiveFaults::find_cut(FaultDirection direction, const Identity& identity) const {
  for (const FaultPtr& fault : faults_) {
    const FaultRule& rule = fault->rule;
    if (rule.kind == FaultKind::cut && !rule.is_about_requests() && rule.direction == direction &&
        rule.scope.matches(identity) && !fault->is_used_up())
      return fault;
  }
  return nullptr;
}

bool ActiveFaults::holds_pubacks(const Identity& identity) const {
  return std::any_of(faults_.begin(), faults_.end(), [&](const FaultPtr& fault) {
    return fault->rule.kind == FaultKind::hold_pubacks && fault->rule.scope.matches(identity);
  });
}

Fault* ActiveFaults::take_request(FaultKind kind, Moment moment, const FaultRequest& request) const {
  for (const FaultPtr& fault : faults_) {
    const FaultRule& rule = fault->rule;
    if (rule.kind != kind || !rule.is_about_requests() || !rule.scope.matches_device(request.device))
      continue;
    if (moment != Moment::either && rule.after_operation != (moment == Moment::after)) continue;
    const bool is_meant =
        rule.routes.empty() || std::any_of(rule.routes.begin(), rule.routes.end(), [&](const auto& route) {
          return route.matches(request.verb, request.path);
        });
    if (is_meant && fault->take()) return fault.get();
  }
  return nullptr;
}

bool ActiveFaults::has(const Fault& fault) const {
  return std::any_of(faults_.begin(), faults_.end(),
                     [&](const FaultPtr& one) { return one.get() == &fault; });
}

std::vector<FaultPtr> faults_begun(const ActiveFaultsPtr& before, const ActiveFaultsPtr& now) {
  std::vector<FaultPtr> begun;
  if (!now) return begun;
  for (const FaultPtr& fault : now->faults()) {
    if (!before || !before->has(*fault)) begun.push_back(fault);
  }
  return begun;
}

}  // namespace kyanite
