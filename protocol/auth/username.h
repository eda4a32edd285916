#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"

namespace kyanite {

// The MQTT user name of CONNECT (spec device-mqtt.md 2.3, forms U1 to U8).
struct MqttUsername {
  std::string host;  // without port
  Identity identity;
  std::string api_version;
  std::string client_type;  // DeviceClientType, decoded
  std::string model_id;
  std::vector<std::pair<std::string, std::string>> other;  // unknown parameters, kept for diagnostics
};

// The identity part must equal client_id byte for byte. Errors: Errc::unauthorized with the reason.
Result<MqttUsername> parse_mqtt_username(std::string_view username, std::string_view client_id);

// A host as written in a user name, a token or a Host header: case folded, ":port" and "[...]" removed.
std::string normalize_host(std::string_view host);
bool is_accepted_host(std::string_view host, const std::vector<std::string>& accepted_hosts);

}  // namespace kyanite
