#include "server/app/first_start/hub_file.h"

#include "protocol/base/json_limits.h"

namespace kyanite {

std::string encode_hub_file(const HubFile& file) {
  Json json;
  json["hostName"] = file.host_name;
  json["ports"] = {{"mqtts", file.mqtts_port},
                   {"https", file.https_port},
                   {"amqps", file.amqps_port},
                   {"amqp", file.amqp_port},
                   {"admin", file.admin_port}};
  json["httpsConnect"] = file.https_connect;
  json["adminConnect"] = file.admin_connect;
  json["serviceConnectionString"] = file.service_connection_string;
  json["eventsHostName"] = file.events_host_name;
  json["eventsEntity"] = file.events_entity;
  json["eventsConnectionString"] = file.events_connection_string;
  json["eventsEmulatorConnectionString"] = file.events_emulator_connection_string;
  json["caFile"] = file.ca_file;
  json["pid"] = file.pid;
  json["dataDirectory"] = file.data_directory;
  json["version"] = file.version;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<HubFile> decode_hub_file(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed) return parsed.error();
  const Json& json = *parsed;
  HubFile out;
  const auto text_of = [&](const char* name, std::string& target) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) return false;
    target = found->get<std::string>();
    return true;
  };
  const auto port_of = [&](const char* name, std::uint16_t& target) {
    const auto ports = json.find("ports");
    if (ports == json.end() || !ports->is_object()) return false;
    const auto found = ports->find(name);
    if (found == ports->end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > 65535)
      return false;
    target = found->get<std::uint16_t>();
    return true;
  };
  if (!json.is_object() || !text_of("hostName", out.host_name) || !port_of("mqtts", out.mqtts_port) ||
      !port_of("https", out.https_port) ||
      !text_of("serviceConnectionString", out.service_connection_string)) {
    return Error(Errc::format_error, "hub.json lacks hostName, ports or serviceConnectionString");
  }
  port_of("amqps", out.amqps_port);
  port_of("amqp", out.amqp_port);
  port_of("admin", out.admin_port);
  text_of("httpsConnect", out.https_connect);
  text_of("adminConnect", out.admin_connect);
  text_of("eventsHostName", out.events_host_name);
  text_of("eventsEntity", out.events_entity);
  text_of("eventsConnectionString", out.events_connection_string);
  text_of("eventsEmulatorConnectionString", out.events_emulator_connection_string);
  text_of("caFile", out.ca_file);
  text_of("dataDirectory", out.data_directory);
  text_of("version", out.version);
  if (const auto pid = json.find("pid"); pid != json.end() && pid->is_number_integer())
    out.pid = pid->get<int>();
  return out;
}

}  // namespace kyanite
