#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace kyanite::load {

// A socket address of this machine. Nothing else can be made: the load generator never leaves the loopback.
struct LoopbackAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string host;  // numeric, without brackets
  std::uint16_t port = 0;

  bool known() const { return size != 0; }
};

// "127.0.0.1:8883", "[::1]:8883" or "localhost:8883" (taken as 127.0.0.1).
// Errors: Errc::argument_invalid for anything outside 127.0.0.0/8 and ::1, for names, and for port 0.
Result<LoopbackAddress> parse_loopback_address(std::string_view text);

// What a run needs to know of the hub; `--data DIR` fills it from DIR/hub.json, flags go over it.
struct Target {
  std::string host_name;  // in user names, token scopes and the certificate
  LoopbackAddress mqtts;
  LoopbackAddress amqps;                  // needed only for AMQP
  LoopbackAddress https;                  // needed only to create devices
  std::string service_connection_string;  // needed only to create devices
  std::string ca_file;                    // PEM; the server's certificate is always verified
  int pid = 0;                            // 0: no figures of the server process
};

// Errors: Errc::io_failed when the file cannot be read, Errc::format_error when a member is missing or has
// another type.
Result<Target> read_hub_file(const std::filesystem::path& data_directory);

}  // namespace kyanite::load
