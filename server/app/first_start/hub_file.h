#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace kyanite {

// hub.json: what a tool on this machine needs to reach the running hub. Written with mode 0600 once the hub
// is ready and removed on a clean stop; config/reference.md lists the fields for users.
struct HubFile {
  std::string host_name;
  std::uint16_t mqtts_port = 0;
  std::uint16_t https_port = 0;
  std::uint16_t amqps_port = 0;  // 0: off, here and below
  std::uint16_t amqp_port = 0;
  std::uint16_t admin_port = 0;
  std::string https_connect;    // "127.0.0.1:443": where this machine reaches the REST endpoint, whatever the
                                // name resolves to
  std::string admin_connect{};  // the same for the admin port, empty where that is off
  std::string service_connection_string;
  // The Event Hubs-compatible endpoint; the strings are empty where its listener is off.
  std::string events_host_name{};
  std::string events_entity{};
  std::string events_connection_string{};
  std::string events_emulator_connection_string{};
  std::string ca_file;  // absolute, empty when clients already trust the certificate
  int pid = 0;
  std::string data_directory;
  std::string version;
  friend bool operator==(const HubFile&, const HubFile&) = default;
};

std::string encode_hub_file(const HubFile& file);
// Errors: Errc::format_error. Unknown members are ignored, so that an older tool reads a newer hub's file.
Result<HubFile> decode_hub_file(std::string_view text);

}  // namespace kyanite
