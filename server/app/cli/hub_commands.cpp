#include <CLI/CLI.hpp>
#include <cstdio>

#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/first_start/files.h"
#include "server/app/version.h"

namespace kyanite::cli {
namespace {

// The CA is printed whether the hub runs or not: from hub.json's caFile, else the hub's own.
int print_ca(const HubOptions& options) {
  const HubSearch search = process_search();
  const std::filesystem::path directory = data_directory_of(options, search);
  std::filesystem::path file = directory / "pki" / "ca.pem";
  if (const auto text = read_file(directory / "hub.json")) {
    if (const auto hub = decode_hub_file(*text); hub && !hub->ca_file.empty()) file = hub->ca_file;
  }
  const auto pem = read_file(file);
  if (!pem) {
    return fail("no CA in " + directory.string() + " (" + pem.error().detail +
                "); it is made by the first `kyanite serve`, --data names its directory");
  }
  std::printf("%s", pem->c_str());
  return kDone;
}

std::string shown(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : dump_json(*found);
}

int print_status(const HubOptions& options, bool as_json) {
  auto target = find_hub(options);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  const auto status = hub.ask_json("GET", "/kyanite/v1/status");
  if (!status) return fail(status.error().detail);
  if (as_json) {
    std::printf("%s\n", status->dump(2).c_str());
    return kDone;
  }
  const Json none = Json::object();
  const auto part = [&](const char* name) -> const Json& {
    const auto found = status->find(name);
    return found != status->end() && found->is_object() ? *found : none;
  };
  std::printf("version    %s\n", shown(*status, "version").c_str());
  if (const auto names = status->find("hostNames"); names != status->end()) {
    std::string list;
    for (const Json& name : *names) list += (list.empty() ? "" : ", ") + name.get<std::string>();
    std::printf("names      %s\n", list.c_str());
  }
  std::printf("up         %s s\n", shown(*status, "uptimeSeconds").c_str());
  std::printf("devices    %s registered, %s disabled, %s connected\n",
              shown(part("devices"), "total").c_str(), shown(part("devices"), "disabled").c_str(),
              shown(part("devices"), "connected").c_str());
  std::printf("mqtt       %s connections\n", shown(part("mqtt"), "connections").c_str());
  std::printf("amqp       %s connections, %s links, %s devices\n", shown(part("amqp"), "connections").c_str(),
              shown(part("amqp"), "links").c_str(), shown(part("amqp"), "devices").c_str());
  std::printf("https      %s connections\n", shown(part("https"), "connections").c_str());
  std::printf("events     event hub %s at %s\n", shown(part("events"), "entity").c_str(),
              shown(part("events"), "hostName").c_str());
  if (status->value("testControl", false)) {
    std::printf("test       control is on: clients may shift this hub's clock\n");
  }
  if (const std::string tier = shown(part("limits"), "tier"); tier != "off" && tier != "-") {
    std::printf("limits     %s, %s unit(s), %s of %s messages today\n", tier.c_str(),
                shown(part("limits"), "units").c_str(), shown(part("limits"), "messagesToday").c_str(),
                shown(part("limits"), "messagesPerDay").c_str());
  }
  std::printf("store      pressure %s\n", shown(part("store"), "pressure").c_str());
  if (const auto partitions = part("telemetry").find("partitions"); partitions != part("telemetry").end()) {
    for (const Json& partition : *partitions) {
      std::printf("partition  %s: offsets %s to %s, last %s\n", shown(partition, "partition").c_str(),
                  shown(partition, "beginOffset").c_str(), shown(partition, "endOffset").c_str(),
                  shown(partition, "lastEnqueuedTime").c_str());
    }
  }
  return kDone;
}

}  // namespace

void add_hub_commands(CLI::App& app, int& exit_code) {
  auto* ca = app.add_subcommand("ca", "print the CA certificate that clients must trust (PEM)");
  const auto ca_options = std::make_shared<HubOptions>();
  ca->add_option("--data", ca_options->data, "data directory of the hub; KYANITE_DATA")->type_name("DIR");
  ca->callback([ca_options, &exit_code] { exit_code = print_ca(*ca_options); });

  auto* status = app.add_subcommand("status", "what the hub says about itself");
  const auto status_options = add_hub_options(*status);
  const auto as_json = std::make_shared<bool>(false);
  status->add_flag("--json", *as_json, "print JSON");
  status->callback(
      [status_options, as_json, &exit_code] { exit_code = print_status(*status_options, *as_json); });

  auto* version = app.add_subcommand("version", "print the version");
  version->callback([] { std::printf("kyanite %s\n", std::string(kVersion).c_str()); });
}

}  // namespace kyanite::cli
