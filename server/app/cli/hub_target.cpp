#include "server/app/cli/hub_target.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>

#include "protocol/base/percent_encoding.h"
#include "server/app/first_start/files.h"

namespace kyanite::cli {
namespace {

constexpr const char* kDefaultData = "kyanite-data";
constexpr const char* kServiceData = "/var/lib/kyanite";  // of the hub that the Debian package runs

// "host:port" into its parts; an IPv6 address stands in brackets or alone.
Result<void> split_host(const std::string& text, HubTarget& target) {
  const std::size_t colon = text.rfind(':');
  const bool is_bare_v6 = colon != std::string::npos && text.find(':') != colon && text.front() != '[';
  if (colon == std::string::npos || is_bare_v6 || text.back() == ']') {
    target.host = text;
    return {};
  }
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, target.port);
  if (begin == end || error != std::errc() || stop != end || target.port == 0) {
    return Error(Errc::argument_invalid,
                 "the connection string's HostName has a port that is no number from 1 to 65535");
  }
  target.host = text.substr(0, colon);
  return {};
}

std::optional<HubFile> read_hub_file(const std::filesystem::path& directory, const HubSearch& search) {
  const auto text = search.read(directory / "hub.json");
  if (!text) return std::nullopt;
  auto file = decode_hub_file(*text);
  if (!file) return std::nullopt;
  return *file;
}

}  // namespace

std::shared_ptr<HubOptions> add_hub_options(CLI::App& command) {
  auto options = std::make_shared<HubOptions>();
  command.add_option("--login", options->login, "service connection string; KYANITE_CONNECTION_STRING")
      ->type_name("STRING");
  command.add_option("--data", options->data, "data directory of a hub on this machine; KYANITE_DATA")
      ->type_name("DIR");
  command.add_option("--ca", options->ca_file, "PEM file with the CA to trust; KYANITE_CA_FILE")
      ->type_name("FILE");
  return options;
}

std::filesystem::path data_directory_of(const HubOptions& options, const HubSearch& search) {
  if (!options.data.empty()) return options.data;
  for (const char* variable : {"KYANITE_DATA", "KYANITE_DATA_DIRECTORY"}) {
    if (std::string named = search.environment(variable); !named.empty()) return named;
  }
  if (!read_hub_file(kDefaultData, search) && read_hub_file(kServiceData, search)) return kServiceData;
  return kDefaultData;
}

Result<HubTarget> find_hub(const HubOptions& options, const HubSearch& search) {
  HubTarget target;
  const std::filesystem::path directory = data_directory_of(options, search);
  std::string login = options.login;
  // --data names a hub more clearly than the environment does.
  if (login.empty() && options.data.empty()) login = search.environment("KYANITE_CONNECTION_STRING");
  target.local = read_hub_file(directory, search);
  const bool from_file = login.empty();
  if (from_file) {
    if (!target.local) {
      return Error(Errc::argument_invalid,
                   "no running hub in " + directory.string() +
                       " (no hub.json); start one with `kyanite serve`, name its directory with "
                       "--data, or give a connection string with --login; the hub that runs as a system "
                       "service keeps its own in " +
                       std::string(kServiceData) + ", which takes root to read");
    }
    login = target.local->service_connection_string;
  }
  auto parsed = parse_connection_string(login);
  if (!parsed)
    return Error(Errc::argument_invalid, "the connection string cannot be read: " + parsed.error().detail);
  target.login = std::move(*parsed);
  if (target.login.policy.empty() || target.login.key.empty()) {
    return Error(
        Errc::argument_invalid,
        "the connection string is no service's: it needs HostName, SharedAccessKeyName and SharedAccessKey");
  }
  if (auto done = split_host(target.login.host_name, target); !done) return done.error();
  // Another hub's file says nothing about this one.
  if (!from_file && target.local &&
      (!equals_ignoring_case(target.local->host_name, target.host) ||
       target.local->https_port != target.port)) {
    target.local.reset();
  }
  if (target.local) {
    target.ca_file = target.local->ca_file;
    target.connect_to = target.local->https_connect;
  }
  if (const std::string named = search.environment("KYANITE_CA_FILE"); !named.empty()) target.ca_file = named;
  if (!options.ca_file.empty()) target.ca_file = options.ca_file;
  return target;
}

HubSearch process_search() {
  return {[](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value ? value : "");
          },
          [](const std::filesystem::path& path) { return read_file(path); }};
}

Result<HubTarget> find_hub(const HubOptions& options) { return find_hub(options, process_search()); }

}  // namespace kyanite::cli
