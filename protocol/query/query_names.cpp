#include "protocol/query/query_names.h"

#include <algorithm>
#include <array>
#include <span>

#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::array kTwinNames{"deviceId",
                                "moduleId",
                                "etag",
                                "deviceEtag",
                                "status",
                                "statusReason",
                                "statusUpdateTime",
                                "statusUpdatedTime",
                                "connectionState",
                                "connectionStateUpdatedTime",
                                "lastActivityTime",
                                "cloudToDeviceMessageCount",
                                "authenticationType",
                                "x509Thumbprint",
                                "version",
                                "modelId",
                                "capabilities",
                                "deviceScope",
                                "parentScopes",
                                "configurations",
                                "tags",
                                "properties"};
constexpr std::array kJobNames{"deviceId",
                               "moduleId",
                               "jobId",
                               "jobType",
                               "status",
                               "startTimeUtc",
                               "endTimeUtc",
                               "outcome",
                               "createdDateTimeUtc",
                               "lastUpdatedDateTimeUtc",
                               "error"};
constexpr std::array kSectionNames{"desired", "reported"};
constexpr std::array kThumbprintNames{"primaryThumbprint", "secondaryThumbprint"};
constexpr std::array kCapabilityNames{"iotEdge"};
constexpr std::array kTimeNames{
    "statusUpdateTime", "connectionStateUpdatedTime", "lastActivityTime",      "startTimeUtc",
    "endTimeUtc",       "createdDateTimeUtc",         "lastUpdatedDateTimeUtc"};

std::string* name_at(QueryPath& path, std::size_t place) {
  return place < path.steps.size() ? std::get_if<std::string>(&path.steps[place]) : nullptr;
}

void spell(std::string* name, std::span<const char* const> names) {
  if (!name) return;
  const auto known =
      std::find_if(names.begin(), names.end(), [&](const char* n) { return equals_ignoring_case(n, *name); });
  if (known != names.end()) *name = *known;
}

bool take_front(QueryPath& path, std::string_view word) {
  const std::string* name = name_at(path, 0);
  if (!name || path.steps.size() < 2 || !equals_ignoring_case(*name, word)) return false;
  path.steps.erase(path.steps.begin());
  return true;
}

// Reads `digits` digits off the front; false when they are not there.
bool take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return false;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  text.remove_prefix(digits);
  return true;
}

bool take_char(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

int two_digits(std::string_view text, std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); }

}  // namespace

void resolve_query_path(QueryPath& path, QuerySource source, std::string_view alias) {
  if (!alias.empty() && take_front(path, alias)) {
  } else if (take_front(path, "devices")) {
    if (source == QuerySource::modules) take_front(path, "modules");
    if (source == QuerySource::device_jobs) take_front(path, "jobs");
  }
  std::string* root = name_at(path, 0);
  if (!root) return;
  if (source == QuerySource::device_jobs) return spell(root, kJobNames);
  spell(root, kTwinNames);
  if (*root == "properties") spell(name_at(path, 1), kSectionNames);
  if (*root == "x509Thumbprint") spell(name_at(path, 1), kThumbprintNames);
  if (*root == "capabilities") spell(name_at(path, 1), kCapabilityNames);
}

std::optional<std::string> query_path_name(const QueryPath& path) {
  if (path.steps.empty()) return std::nullopt;
  const std::string* name = std::get_if<std::string>(&path.steps.back());
  return name ? std::optional(*name) : std::nullopt;
}

void store_query_path(QueryPath& path, QuerySource source) {
  std::string* root = name_at(path, 0);
  if (source != QuerySource::device_jobs && root && *root == "statusUpdatedTime") *root = "statusUpdateTime";
}

bool is_system_time(const QueryPath& path) {
  if (path.steps.empty()) return false;
  if (path.steps.size() == 1) {
    const std::string* name = std::get_if<std::string>(&path.steps.front());
    return name && std::find(kTimeNames.begin(), kTimeNames.end(), *name) != kTimeNames.end();
  }
  const std::string* last = std::get_if<std::string>(&path.steps.back());
  return last && *last == "$lastUpdated";
}

std::optional<std::string> canonical_query_time(std::string_view text) {
  const std::string_view all = text;
  if (!(take_digits(text, 4) && take_char(text, "-") && take_digits(text, 2) && take_char(text, "-") &&
        take_digits(text, 2))) {
    return std::nullopt;
  }
  std::string clock = "00:00:00";
  std::string fraction;
  int offset_minutes = 0;
  if (!text.empty()) {
    if (!take_char(text, "Tt ")) return std::nullopt;
    const std::string_view from = text;
    if (!(take_digits(text, 2) && take_char(text, ":") && take_digits(text, 2))) return std::nullopt;
    clock.replace(0, 5, from.substr(0, 5));
    if (take_char(text, ":")) {
      if (!take_digits(text, 2)) return std::nullopt;
      clock = from.substr(0, 8);
      if (take_char(text, ".")) {
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
          fraction += text.front();
          text.remove_prefix(1);
        }
        if (fraction.empty()) return std::nullopt;
      }
    }
    if (!text.empty() && !take_char(text, "Zz")) {
      const bool east = text.front() == '+';
      const std::string_view zone = text;
      if (!(take_char(text, "+-") && take_digits(text, 2) && take_char(text, ":") && take_digits(text, 2))) {
        return std::nullopt;
      }
      offset_minutes = (two_digits(zone, 1) * 60 + two_digits(zone, 4)) * (east ? -1 : 1);
    }
    if (!text.empty()) return std::nullopt;
  }
  const auto time = parse_iso_time(std::string(all.substr(0, 10)) + "T" + clock + "Z");
  if (!time) return std::nullopt;
  // The hub shows "never" so, and with no fraction.
  if (all.starts_with("0001-01-01") && clock == "00:00:00") return "0001-01-01T00:00:00Z";
  fraction.resize(7, '0');
  return to_iso_time(*time + std::chrono::minutes{offset_minutes}).substr(0, 19) + "." + fraction + "Z";
}

}  // namespace kyanite
