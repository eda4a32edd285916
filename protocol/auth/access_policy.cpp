#include "protocol/auth/access_policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::array<std::pair<Right, std::string_view>, 4> kRightNames{{
    {Right::registry_read, "RegistryRead"},
    {Right::registry_write, "RegistryWrite"},
    {Right::service_connect, "ServiceConnect"},
    {Right::device_connect, "DeviceConnect"},
}};

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

bool NeededRights::met_by(Rights held) const {
  bool some = false;
  bool all = true;
  for (const auto& [right, name] : kRightNames) {
    if ((rights.bits & static_cast<std::uint8_t>(right)) == 0) continue;
    some = some || held.has(right);
    all = all && held.has(right);
  }
  return some && (all || !every);
}

std::vector<AccessPolicy> default_access_policies() {
  const Rights registry = Rights(Right::registry_read) | Right::registry_write;
  return {
      {"iothubowner", "", "", kAllRights},       {"service", "", "", Right::service_connect},
      {"device", "", "", Right::device_connect}, {"registryRead", "", "", Right::registry_read},
      {"registryReadWrite", "", "", registry},
  };
}

std::string rights_to_text(Rights rights) {
  std::string text;
  for (const auto& [right, name] : kRightNames) {
    if (!rights.has(right)) continue;
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

Result<Rights> rights_from_text(std::string_view text) {
  Rights rights;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view word = trim_blanks(text.substr(0, comma));
    const auto row = std::find_if(kRightNames.begin(), kRightNames.end(),
                                  [&](const auto& pair) { return equals_ignoring_case(pair.second, word); });
    if (row == kRightNames.end()) {
      return Error(
          Errc::argument_invalid,
          "rights are a list of RegistryRead, RegistryWrite, ServiceConnect and DeviceConnect, separated "
          "by commas");
    }
    rights = rights | row->first;
    if (comma == std::string_view::npos) return rights;
    text.remove_prefix(comma + 1);
  }
}

const AccessPolicy* find_policy(const std::vector<AccessPolicy>& policies, std::string_view name) {
  const auto found = std::find_if(policies.begin(), policies.end(), [&](const AccessPolicy& policy) {
    return equals_ignoring_case(policy.name, name);
  });
  return found == policies.end() ? nullptr : &*found;
}

}  // namespace kyanite
