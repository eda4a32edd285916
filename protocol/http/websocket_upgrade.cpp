#include "protocol/http/websocket_upgrade.h"

#include <algorithm>
#include <string_view>

#include "protocol/base/base64.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kMqtt = "mqtt";
constexpr std::string_view kAmqpNames[] = {"AMQPWSB10", "amqp"};
constexpr std::string_view kVersion = "13";
constexpr std::size_t kKeyBytes = 16;  // decoded

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The elements of a comma-separated header, which may come in several lines.
std::vector<std::string_view> elements_of(const HttpRequest& request, std::string_view name) {
  std::vector<std::string_view> elements;
  for (const auto& [header, value] : request.headers) {
    if (!equals_ignoring_case(header, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (const std::string_view element = trimmed(rest.substr(0, end)); !element.empty()) {
        elements.push_back(element);
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return elements;
}

bool lists(const HttpRequest& request, std::string_view name, std::string_view wanted) {
  const auto elements = elements_of(request, name);
  return std::any_of(elements.begin(), elements.end(),
                     [wanted](std::string_view element) { return equals_ignoring_case(element, wanted); });
}

bool has_body(const HttpRequest& request) {
  return request.header("content-length").value_or("0") != "0" || request.header("transfer-encoding");
}

bool is_service_bus_path(const HttpRequest& request) {
  return !request.segments.empty() && request.segments[0] == "$servicebus";
}

UpgradeRefusal bad_request(std::string detail) {
  return {400, Error(Errc::argument_invalid, std::move(detail)), {}};
}

// 426 names what the client should have asked for (RFC 6455 section 4.4, RFC 9110 section 15.5.22).
UpgradeRefusal upgrade_required(std::string detail) {
  return {426,
          Error(Errc::argument_invalid, std::move(detail)),
          {{"Upgrade", "websocket"},
           {"Connection", "Upgrade"},
           {"Sec-WebSocket-Version", std::string(kVersion)}}};
}

std::string joined(const std::vector<std::string_view>& elements) {
  std::string text;
  for (const std::string_view element : elements) {
    if (!text.empty()) text += ", ";
    text += element;
  }
  return text;
}

}  // namespace

bool is_websocket_path(const HttpRequest& request) {
  const auto& segments = request.segments;
  const bool has_slash = segments.size() == 3 && segments[2].empty();
  if ((segments.size() != 2 && !has_slash) || segments[1] != "websocket") return false;
  return segments[0] == "$iothub" || is_service_bus_path(request);
}

bool is_amqp_subprotocol(std::string_view subprotocol) {
  return std::any_of(std::begin(kAmqpNames), std::end(kAmqpNames), [subprotocol](std::string_view name) {
    return equals_ignoring_case(name, subprotocol);
  });
}

std::variant<WebSocketUpgrade, UpgradeRefusal> judge_websocket_upgrade(const HttpRequest& request,
                                                                       const WebSocketRules& rules) {
  if (request.verb != HttpVerb::get) {
    return UpgradeRefusal{
        405, Error(Errc::method_not_allowed, "a WebSocket begins with GET"), {{"Allow", "GET"}}};
  }
  const bool wants_upgrade = lists(request, "upgrade", "websocket");
  if (!wants_upgrade && !lists(request, "connection", "upgrade")) {
    return upgrade_required(
        "This path is for WebSocket connections: MQTT with the sub-protocol mqtt, AMQP with AMQPWSB10");
  }
  if (!wants_upgrade) return bad_request("The header Upgrade must be websocket");
  if (!lists(request, "connection", "upgrade")) return bad_request("The header Connection must list Upgrade");
  if (has_body(request)) return bad_request("A WebSocket upgrade carries no body");
  if (request.header("sec-websocket-version").value_or("") != kVersion) {
    return upgrade_required("The header Sec-WebSocket-Version must be 13");
  }
  const auto key = request.header("sec-websocket-key");
  const auto decoded = decode_base64(key.value_or(""));
  if (!key || !decoded || decoded->size() != kKeyBytes) {
    return bad_request("The header Sec-WebSocket-Key must be 16 bytes in base64");
  }

  const auto offered = elements_of(request, "sec-websocket-protocol");
  const bool amqp_only = is_service_bus_path(request);
  const auto chosen = std::find_if(offered.begin(), offered.end(), [amqp_only](std::string_view element) {
    return is_amqp_subprotocol(element) || (!amqp_only && equals_ignoring_case(element, kMqtt));
  });
  if (chosen != offered.end()) return WebSocketUpgrade{std::string(*key), std::string(*chosen)};
  const std::string spoken = amqp_only ? "AMQPWSB10" : "mqtt and AMQPWSB10";
  if (!offered.empty()) {
    return bad_request("No sub-protocol of this hub among those offered (" + joined(offered) +
                       "): it speaks " + spoken);
  }
  if (rules.require_subprotocol || amqp_only) {
    return bad_request("The header Sec-WebSocket-Protocol is missing: offer " + spoken);
  }
  return WebSocketUpgrade{std::string(*key), ""};
}

}  // namespace kyanite
