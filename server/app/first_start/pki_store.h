#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/settings.h"
#include "protocol/base/result.h"

namespace kyanite {

// What the listeners serve and clients trust.
struct ServerCertificate {
  std::string certificate_pem;  // chain, leaf first
  std::string key_pem;
  std::string ca_pem;                // empty when the user gave none
  std::filesystem::path ca_file;     // where ca_pem lies, absolute; empty with it
  std::vector<std::string> renewed;  // sentences for the log: what was made anew, and why
  WallTime expires{};
};

// The user's certificate when the settings name one, else the hub's own in DIRECTORY/{ca,server}.{pem,key},
// made or made anew as needed. Called at start, on SIGHUP and, for the hub's own, each minute. Errors:
// Errc::config_invalid (the user's files), Errc::io_failed.
Result<ServerCertificate> load_server_certificate(const Settings::Tls& settings,
                                                  const std::filesystem::path& directory,
                                                  const std::vector<std::string>& names, WallTime now);

// The first name of the certificate in the directory, empty when there is none: the host name chosen earlier.
std::string remembered_host_name(const std::filesystem::path& directory);

}  // namespace kyanite
