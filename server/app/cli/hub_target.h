#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "protocol/auth/connection_string.h"
#include "protocol/base/result.h"
#include "server/app/first_start/hub_file.h"

namespace CLI {
class App;
}

namespace kyanite::cli {

// What the flags say about the hub to talk to.
struct HubOptions {
  std::string login;  // service connection string
  std::string data;   // data directory of a local hub
  std::string ca_file;
};
std::shared_ptr<HubOptions> add_hub_options(CLI::App& command);

// A hub, and who we are to it.
struct HubTarget {
  ConnectionString login;
  std::string host;  // of the connection string, without port
  std::uint16_t port = 443;
  std::string ca_file;           // empty: the system's store
  std::string connect_to;        // "127.0.0.1:8443" for a local hub, else empty: as the name resolves
  std::optional<HubFile> local;  // hub.json of the local hub

  // What clients write as HostName.
  std::string host_name() const { return local ? local->host_name : host; }
};

// The outside world of find_hub, so that it can be tried by value.
struct HubSearch {
  std::function<std::string(const char*)> environment;  // empty when unset
  std::function<Result<std::string>(const std::filesystem::path&)> read;
};
// --login, else KYANITE_CONNECTION_STRING, else hub.json in --data, KYANITE_DATA or ./kyanite-data. With a
// connection string, hub.json still supplies the CA and the address when it speaks of the same host. Errors:
// Errc::argument_invalid with a sentence.
Result<HubTarget> find_hub(const HubOptions& options, const HubSearch& search);
Result<HubTarget> find_hub(const HubOptions& options);  // with this process's environment and files

// The directory where hub.json is looked for.
std::filesystem::path data_directory_of(const HubOptions& options, const HubSearch& search);
HubSearch process_search();

}  // namespace kyanite::cli
