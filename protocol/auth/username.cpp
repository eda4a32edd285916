#include "protocol/auth/username.h"

#include <algorithm>
#include <array>
#include <optional>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::array<std::string_view, 4> kKnownNames{"api-version", "DeviceClientType", "model-id",
                                                      "auth-chain"};

Error bad_username(const char* reason) { return {Errc::unauthorized, std::string("user name: ") + reason}; }

bool starts_with_known_parameter(std::string_view text) {
  return std::any_of(kKnownNames.begin(), kKnownNames.end(), [&](std::string_view name) {
    return text.size() > name.size() && text[name.size()] == '=' &&
           equals_ignoring_case(text.substr(0, name.size()), name);
  });
}

// Where the first parameter of `params` ends: at '&', or at a '/' that a known name follows. Form U5
// separates by '/' and has raw '/' inside values as well.
std::size_t parameter_end(std::string_view params) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (params[i] == '&') return i;
    if (params[i] == '/' && starts_with_known_parameter(params.substr(i + 1))) return i;
  }
  return params.size();
}

// Decoded, unless that leaves text that is not UTF-8: these values reach logs and message properties.
std::string decode_value(std::string_view raw) {
  std::string value = percent_decode(raw);
  return is_valid_utf8(value) ? value : std::string(raw);
}

void keep_first(std::optional<std::string>& slot, std::string_view raw) {
  if (!slot) slot = decode_value(raw);
}

Result<void> parse_parameters(std::string_view params, MqttUsername& username) {
  std::optional<std::string> api_version, client_type, model_id;
  while (!params.empty()) {
    const std::size_t end = parameter_end(params);
    const std::string_view piece = params.substr(0, end);
    params.remove_prefix(std::min(end + 1, params.size()));
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    const std::string_view name = piece.substr(0, equals);
    // A name with '/' or '?' is what remains of a module: "host/d1/m1/?..." must not open d1.
    if (equals == std::string_view::npos || name.find_first_of("/?") != std::string_view::npos) {
      return bad_username("a parameter is not of the form name=value");
    }
    const std::string_view raw = piece.substr(equals + 1);
    if (equals_ignoring_case(name, "api-version")) {
      keep_first(api_version, raw);
    } else if (equals_ignoring_case(name, "DeviceClientType")) {
      keep_first(client_type, raw);
    } else if (equals_ignoring_case(name, "model-id")) {
      keep_first(model_id, raw);
    } else {
      username.other.emplace_back(std::string(name), decode_value(raw));
    }
  }
  username.api_version = std::move(api_version).value_or("");
  username.client_type = std::move(client_type).value_or("");
  username.model_id = std::move(model_id).value_or("");
  return {};
}

Result<Identity> parse_client_id(std::string_view client_id) {
  const std::size_t slash = client_id.find('/');
  Identity identity{std::string(client_id.substr(0, slash)), {}};
  if (!is_valid_id(identity.device)) return bad_username("the client id is not a device id");
  if (slash != std::string_view::npos) {
    identity.module = client_id.substr(slash + 1);
    if (!is_valid_id(identity.module)) return bad_username("the client id is not device/module");
  }
  return identity;
}

// The host without port and brackets, still as written.
std::string_view bare_host(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    return close == std::string_view::npos ? host : host.substr(1, close - 1);
  }
  const std::size_t colon = host.find(':');
  if (colon == std::string_view::npos || host.find(':', colon + 1) != std::string_view::npos) return host;
  const std::string_view port = host.substr(colon + 1);
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? host.substr(0, colon) : host;
}

}  // namespace

Result<MqttUsername> parse_mqtt_username(std::string_view text, std::string_view client_id) {
  if (text.empty()) return bad_username("missing");
  if (text.size() > limits::kUsernameBytesMax) return bad_username("too long");
  if (!is_valid_utf8(text)) return bad_username("not UTF-8");
  const Result<Identity> identity = parse_client_id(client_id);
  if (!identity) return identity.error();

  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0)
    return bad_username("not of the form host/device/?parameters");
  MqttUsername username;
  username.host = normalize_host(text.substr(0, slash));
  if (username.host.empty()) return bad_username("the host is empty");
  username.identity = *identity;

  // Ids may hold '?', so the known client id says where the parameters begin; a search for '?' could not.
  std::string_view tail = text.substr(slash + 1);
  if (tail.substr(0, client_id.size()) != client_id)
    return bad_username("its identity differs from the client id");
  tail.remove_prefix(client_id.size());
  if (!tail.empty() && tail.front() != '/' && tail.front() != '?') {
    return bad_username("its identity differs from the client id");
  }
  if (!tail.empty() && tail.front() == '/') tail.remove_prefix(1);
  if (!tail.empty() && tail.front() == '?') tail.remove_prefix(1);
  if (const Result<void> parsed = parse_parameters(tail, username); !parsed) return parsed.error();
  return username;
}

std::string normalize_host(std::string_view host) { return to_lower_ascii(bare_host(host)); }

bool is_accepted_host(std::string_view host, const std::vector<std::string>& accepted_hosts) {
  const std::string_view bare = bare_host(host);
  return !bare.empty() &&
         std::any_of(accepted_hosts.begin(), accepted_hosts.end(), [&](const std::string& accepted) {
           return equals_ignoring_case(bare, bare_host(accepted));
         });
}

}  // namespace kyanite
