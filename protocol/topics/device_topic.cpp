#include "protocol/topics/device_topic.h"

#include <charconv>
#include <cstdint>
#include <optional>

namespace kyanite {
namespace {

constexpr std::size_t kRequestIdBytesMax = 128;  // spec device-mqtt.md 4.10

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Takes "devices/{did}/" or "devices/{did}/modules/{mid}/" of `self`, compared byte by byte (3.6).
bool take_own_prefix(std::string_view& text, const Identity& self) {
  if (!take(text, "devices/") || !take(text, self.device) || !take(text, "/")) return false;
  return !self.is_module() || (take(text, "modules/") && take(text, self.module) && take(text, "/"));
}

// MQTT 3.1.1 section 3.3.2.1. The own ids in front are exempt: they may contain these characters.
bool has_wildcard(std::string_view text) {
  return text.find('+') != std::string_view::npos || text.find('#') != std::string_view::npos;
}

// The value of `name` in "a=1&b=2"; other parameters are ignored (6.2).
std::string_view find_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    std::string_view pair = query.substr(0, end);
    if (take(pair, name) && take(pair, "=")) return pair;
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  }
  return {};
}

struct Request {
  std::string_view id;       // empty: none
  std::string_view version;  // empty: none
};

// What follows the name of a $iothub resource: "/?$rid=1", "?$rid=1" (tolerated), "/" or nothing (6.2).
std::optional<Request> parse_request(std::string_view rest) {
  take(rest, "/");
  if (!rest.empty() && !take(rest, "?")) return std::nullopt;
  const Request request{find_parameter(rest, "$rid"), find_parameter(rest, "$version")};
  if (request.id.size() > kRequestIdBytesMax) return std::nullopt;
  return request;
}

// Any 32-bit signed integer (7.2).
bool is_status(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

Error refused() { return Error(Errc::topic_not_allowed, "not a topic of this device"); }

Result<DeviceTopic> parse_twin_topic(std::string_view rest) {
  if (take(rest, "GET")) {
    const auto request = parse_request(rest);
    if (!request || request->id.empty()) return refused();
    return DeviceTopic(TwinGetTopic{request->id});
  }
  if (take(rest, "PATCH/properties/reported")) {
    const auto request = parse_request(rest);
    if (!request) return refused();
    return DeviceTopic(TwinPatchReportedTopic{request->id, request->version});
  }
  return refused();
}

Result<DeviceTopic> parse_method_response(std::string_view rest) {
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !is_status(rest.substr(0, slash))) return refused();
  const auto request = parse_request(rest.substr(slash));
  if (!request || request->id.empty()) return refused();
  return DeviceTopic(MethodResponseTopic{rest.substr(0, slash), request->id});
}

}  // namespace

Result<DeviceTopic> parse_device_topic(std::string_view topic, const Identity& self) {
  std::string_view rest = topic;
  if (take(rest, "$iothub/")) {
    if (has_wildcard(rest)) return refused();
    if (take(rest, "twin/")) return parse_twin_topic(rest);
    if (take(rest, "methods/res/")) return parse_method_response(rest);
    return refused();
  }
  if (!take_own_prefix(rest, self) || !take(rest, "messages/events") || has_wildcard(rest)) return refused();
  // The slash after "events" may be missing when there is no bag (4.1).
  if (!rest.empty() && !take(rest, "/")) return refused();
  return DeviceTopic(TelemetryTopic{rest});
}

Result<FilterKind> parse_device_filter(std::string_view filter, const Identity& self) {
  if (filter == "$iothub/twin/res/#") return FilterKind::twin_responses;
  if (filter == "$iothub/twin/PATCH/properties/desired/#") return FilterKind::twin_desired;
  if (filter == "$iothub/methods/POST/#") return FilterKind::methods;
  std::string_view rest = filter;
  if (take_own_prefix(rest, self)) {
    if (rest == "messages/devicebound/#") return self.is_module() ? FilterKind::module_c2d : FilterKind::c2d;
    if (self.is_module() && (rest == "#" || rest == "inputs/#")) return FilterKind::module_inputs;
  }
  return Error(Errc::topic_not_allowed, "not a filter of this device");
}

}  // namespace kyanite
