#include "server/hub/connection_log.h"

#include "protocol/base/json_limits.h"

namespace kyanite {

std::string connection_properties(const ConnectionFacts& connection) {
  Json json;
  json["deviceId"] = connection.identity.device;
  if (connection.identity.is_module()) json["moduleId"] = connection.identity.module;
  json["protocol"] = to_string(connection.protocol);
  json["authType"] = auth_type_json(connection.scope, connection.kind);
  json["maskedIpAddress"] = masked_address(connection.address);
  json["sdkVersion"] = connection.client_type;
  return dump_json(json);
}

std::string masked_address(std::string_view address) {
  const std::size_t last = address.find_last_of(".:");
  if (last == std::string_view::npos) return address.empty() ? "" : "XXX";
  return std::string(address.substr(0, last + 1)) + "XXX";
}

}  // namespace kyanite
