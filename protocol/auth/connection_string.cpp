#include "protocol/auth/connection_string.h"

#include <algorithm>
#include <array>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/ids.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::size_t kConnectionStringBytesMax = 4096;
constexpr std::uint16_t kAmqpsPortOfClients = 5671;
constexpr std::uint16_t kAmqpPortOfClients = 5672;

Error invalid(std::string reason) {
  return {Errc::argument_invalid, "connection string: " + std::move(reason)};
}

struct TextPart {
  std::string_view name;
  std::string ConnectionString::*member;
};
constexpr std::array<TextPart, 6> kTextParts{{
    {"HostName", &ConnectionString::host_name},
    {"DeviceId", &ConnectionString::device_id},
    {"ModuleId", &ConnectionString::module_id},
    {"SharedAccessKeyName", &ConnectionString::policy},
    {"SharedAccessKey", &ConnectionString::key},
    {"GatewayHostName", &ConnectionString::gateway_host_name},
}};

bool is_host(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("-._:[]").find(c) != std::string_view::npos;
  });
}

Result<void> parse_x509(std::string_view value, ConnectionString& result, bool& seen) {
  if (seen) return invalid("x509 stands twice");
  seen = true;
  result.x509 = equals_ignoring_case(value, "true");
  if (!result.x509 && !equals_ignoring_case(value, "false")) return invalid("x509 must be true or false");
  return {};
}

Result<void> parse_part(std::string_view name, std::string_view value, std::size_t number,
                        ConnectionString& result, bool& x509_seen) {
  if (equals_ignoring_case(name, "x509")) return parse_x509(value, result, x509_seen);
  if (equals_ignoring_case(name, "SharedAccessSignature")) {
    return invalid("SharedAccessSignature is not supported; use SharedAccessKey");
  }
  const auto part = std::find_if(kTextParts.begin(), kTextParts.end(),
                                 [&](const TextPart& row) { return equals_ignoring_case(row.name, name); });
  if (part == kTextParts.end()) {
    return invalid("part " + std::to_string(number) +
                   " is none of HostName, DeviceId, ModuleId, SharedAccessKeyName, SharedAccessKey, x509 and "
                   "GatewayHostName");
  }
  std::string& member = result.*part->member;
  if (!member.empty()) return invalid(std::string(part->name) + " stands twice");
  if (value.empty()) return invalid(std::string(part->name) + " is empty");
  member = value;
  return {};
}

Result<void> check(const ConnectionString& value) {
  if (value.host_name.empty()) return invalid("HostName is missing");
  if (!is_host(value.host_name)) return invalid("HostName is not a host name");
  if (!is_host(value.gateway_host_name)) return invalid("GatewayHostName is not a host name");
  if (!value.device_id.empty() && !is_valid_id(value.device_id))
    return invalid("DeviceId is not a device id");
  if (!value.module_id.empty() && !is_valid_id(value.module_id))
    return invalid("ModuleId is not a module id");
  if (!value.module_id.empty() && value.device_id.empty()) return invalid("ModuleId needs DeviceId");
  if (value.device_id.empty() && value.policy.empty()) {
    return invalid("SharedAccessKeyName (for a service) or DeviceId (for a device) is missing");
  }
  if (value.x509) {
    if (value.device_id.empty()) return invalid("x509 needs DeviceId");
    if (!value.key.empty() || !value.policy.empty()) return invalid("x509 excludes a shared access key");
    return {};
  }
  if (value.key.empty()) return invalid("SharedAccessKey is missing");
  if (!is_valid_symmetric_key(value.key))
    return invalid("SharedAccessKey is not the base64 of 16 to 64 bytes");
  return {};
}

std::string events_string(std::string_view host_name, std::uint16_t port, std::uint16_t port_of_clients,
                          std::string_view entity, const AccessPolicy& policy) {
  const bool is_ipv6 = host_name.find(':') != std::string_view::npos;
  std::string text = "Endpoint=sb://";
  if (is_ipv6) text += '[';
  text += host_name;
  if (is_ipv6) text += ']';
  if (port != port_of_clients) text += ":" + std::to_string(port);
  text += "/;SharedAccessKeyName=" + policy.name + ";SharedAccessKey=" + policy.primary_key + ";EntityPath=";
  return text.append(entity);
}

}  // namespace

Result<ConnectionString> parse_connection_string(std::string_view text) {
  if (text.size() > kConnectionStringBytesMax) return invalid("too long");
  if (!is_valid_utf8(text)) return invalid("not UTF-8");
  ConnectionString result;
  bool x509_seen = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;  // a trailing ';'
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return invalid("part " + std::to_string(number) + " has no '='");
    const auto parsed =
        parse_part(part.substr(0, equals), part.substr(equals + 1), number, result, x509_seen);
    if (!parsed) return parsed.error();
  }
  if (const Result<void> checked = check(result); !checked) return checked.error();
  return result;
}

std::string to_string(const ConnectionString& value) {
  std::string text;
  for (const TextPart& part : kTextParts) {
    const std::string& member = value.*part.member;
    if (member.empty()) continue;
    if (!text.empty()) text += ';';
    text += part.name;
    text += '=';
    text += member;
  }
  if (value.x509) text += ";x509=true";
  return text;
}

std::string service_connection_string(std::string_view host_name, std::uint16_t https_port,
                                      const AccessPolicy& policy) {
  constexpr std::uint16_t https_port_of_clients = 443;
  ConnectionString connection;
  connection.host_name = host_name;
  if (https_port != https_port_of_clients) connection.host_name += ":" + std::to_string(https_port);
  connection.policy = policy.name;
  connection.key = policy.primary_key;
  return to_string(connection);
}

std::string events_connection_string(std::string_view host_name, std::uint16_t amqps_port,
                                     std::string_view entity, const AccessPolicy& policy) {
  return events_string(host_name, amqps_port, kAmqpsPortOfClients, entity, policy);
}

std::string emulator_connection_string(std::string_view host_name, std::uint16_t amqp_port,
                                       std::string_view entity, const AccessPolicy& policy) {
  return events_string(host_name, amqp_port, kAmqpPortOfClients, entity, policy) +
         ";UseDevelopmentEmulator=true";
}

}  // namespace kyanite
