#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "protocol/base/json_limits.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/settings_flags.h"
#include "server/app/first_start/host_names.h"
#include "server/app/http_fetch.h"

// For health checks of containers and supervisors: it needs the admin port and nothing else, so it may run as
// any user, without a shell and without a readable data directory.
namespace kyanite::cli {
namespace {

constexpr int kHealthSeconds = 5;

struct HealthOptions {
  std::string url;
  std::string data;
  int timeout_seconds = kHealthSeconds;
};

int tell_unhealthy(const std::string& sentence) {
  std::fprintf(stderr, "unhealthy: %s\n", sentence.c_str());
  return kFailed;
}

// How a listener on all addresses is reached from here.
std::string loopback_of(ListenAddress listen) {
  if (listen.address == "::" || listen.address == "0.0.0.0") listen.address = std::string(kPlainHostName);
  return to_string(listen);
}

// ADDRESS:PORT of the admin port: hub.json knows it; where that cannot be read, as before the hub is ready or
// by another user, the same configuration file and environment do that the hub started with.
Result<std::string> find_admin_port(const HealthOptions& options) {
  const HubSearch search = process_search();
  HubOptions place;
  place.data = options.data;
  const auto directory = data_directory_of(place, search);
  if (const auto text = search.read(directory / "hub.json")) {
    if (const auto hub = decode_hub_file(*text)) {
      if (!hub->admin_connect.empty()) return hub->admin_connect;
      return Error(Errc::io_failed, "the hub in " + directory.string() +
                                        " has no admin port: it is off, or another program had it first; "
                                        "choose one with --admin ADDR:PORT");
    }
  }
  const Settings settings = load_from_process(SettingsFlags{}).settings;
  if (!settings.listen.admin) {
    return Error(Errc::io_failed, "the admin port is off (listen.admin); name an address with --url");
  }
  if (settings.listen.admin->port == 0) {
    return Error(Errc::io_failed, "no hub.json in " + directory.string() +
                                      " yet, and the admin port is any free one; name an address with --url");
  }
  return loopback_of(*settings.listen.admin);
}

// "HOST:PORT", "http://HOST:PORT" and a whole address all do.
std::string health_url(const std::string& given) {
  const std::size_t scheme = given.find("://");
  std::string url = scheme == std::string::npos ? "http://" + given : given;
  const std::size_t host = url.find("://") + 3;
  const std::size_t path = url.find('/', host);
  if (path == std::string::npos) return url + "/health";
  if (path + 1 == url.size()) return url + "health";
  return url;
}

// What an unhealthy hub says is missing: "store: takes no writes".
std::string missing_of(const HttpAnswer& answer) {
  std::string out;
  const auto json = parse_json(answer.body);
  const auto found = json && json->is_object() ? json->find("missing") : Json::const_iterator{};
  if (json && json->is_object() && found != json->end() && found->is_array()) {
    for (const Json& item : *found) {
      if (!item.is_object()) continue;
      if (!out.empty()) out += ", ";
      out += item.value("check", std::string("?")) + ": " + item.value("reason", std::string("?"));
    }
  }
  return out.empty() ? "the answer was " + std::to_string(answer.status) : out;
}

int check_health(const HealthOptions& options) {
  std::string url = options.url;
  if (url.empty()) {
    const auto found = find_admin_port(options);
    if (!found) return tell_unhealthy(found.error().detail);
    url = *found;
  }
  url = health_url(url);
  HttpQuestion question;
  question.url = url;
  question.connect_time = question.time = seconds(options.timeout_seconds);
  question.bytes_max = 64 * 1024;
  question.direct = true;
  const auto answer = fetch_http(question, [] { return false; });
  if (!answer) return tell_unhealthy("no answer from " + url + ": " + answer.error().detail);
  if (answer->status != 200) return tell_unhealthy(missing_of(*answer) + " (" + url + ")");
  std::printf("healthy (%s)\n", url.c_str());
  return kDone;
}

}  // namespace

void add_health_command(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("health", "whether the hub serves: exit code 0 if so, 1 if not");
  const auto options = std::make_shared<HealthOptions>();
  command->add_option("--url", options->url, "admin port to ask, such as http://127.0.0.1:8080")
      ->type_name("URL");
  command->add_option("--data", options->data, "data directory of a hub on this machine; KYANITE_DATA")
      ->type_name("DIR");
  command->add_option("--timeout", options->timeout_seconds, "seconds to wait for the answer")
      ->check(CLI::Range(1, 300))
      ->capture_default_str()
      ->type_name("SECONDS");
  command->footer(
      "Without --url the port is that of hub.json in --data, else listen.admin by KYANITE_CONFIG and "
      "KYANITE_LISTEN_ADMIN,\nelse 127.0.0.1:8080.");
  command->callback([options, &exit_code] { exit_code = check_health(*options); });
}

}  // namespace kyanite::cli
