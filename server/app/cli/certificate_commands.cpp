#include <CLI/CLI.hpp>
#include <cstdio>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/first_start/files.h"

// The CA certificates that X.509 devices may chain to (device-mqtt.md 2.6).
namespace kyanite::cli {
namespace {

constexpr const char* kPath = "/kyanite/v1/ca-certificates";

struct CertificateOptions {
  std::shared_ptr<HubOptions> hub;
  std::string name;
  std::string file;
  bool json = false;
};

std::string entry_path(const CertificateOptions& options) {
  return std::string(kPath) + "/" + percent_encode(options.name);
}

std::string member(const Json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void print_entry(const Json& entry) {
  std::printf("%-20s  %s  until %s  %s\n", member(entry, "name").c_str(), member(entry, "thumbprint").c_str(),
              member(entry, "notAfter").c_str(), member(entry, "subject").c_str());
}

int add(const CertificateOptions& options, RestClient& hub) {
  const auto text = read_file(options.file);
  if (!text) return fail(text.error().detail);
  Json body;
  body["certificate"] = *text;
  const auto added = hub.ask_json("PUT", entry_path(options), dump_json(body));
  if (!added) return fail(added.error().detail);
  if (options.json) {
    std::printf("%s\n", added->dump(2).c_str());
  } else {
    print_entry(*added);
  }
  return kDone;
}

int list(const CertificateOptions& options, RestClient& hub) {
  const auto answer = hub.ask_json("GET", kPath);
  if (!answer) return fail(answer.error().detail);
  if (options.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return kDone;
  }
  const auto entries = answer->find("caCertificates");
  if (entries == answer->end()) return fail("the hub answered without a list");
  for (const Json& entry : *entries) print_entry(entry);
  return kDone;
}

int erase(const CertificateOptions& options, RestClient& hub) {
  const auto erased = hub.ask_json("DELETE", entry_path(options));
  return erased ? kDone : fail(erased.error().detail);
}

}  // namespace

void add_certificate_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("cert", "CA certificates that X.509 devices may chain to");
  group->require_subcommand(1);
  const auto declare = [&](const char* name, const char* description,
                           int (*action)(const CertificateOptions&, RestClient&)) {
    auto* command = group->add_subcommand(name, description);
    const auto options = std::make_shared<CertificateOptions>();
    options->hub = add_hub_options(*command);
    command->callback([options, action, &exit_code] {
      auto target = find_hub(*options->hub);
      if (!target) {
        exit_code = fail(target.error().detail);
        return;
      }
      RestClient hub(std::move(*target));
      exit_code = action(*options, hub);
    });
    return std::pair(command, options);
  };
  const auto [add_command, add_options] = declare("add", "trust a CA certificate", add);
  add_command->add_option("NAME", add_options->name, "a name of your choice")->required();
  add_command->add_option("FILE", add_options->file, "the certificate, PEM")->required();
  add_command->add_flag("--json", add_options->json, "print JSON");
  const auto [list_command, list_options] = declare("list", "list them", list);
  list_command->add_flag("--json", list_options->json, "print JSON");
  const auto [delete_command, delete_options] =
      declare("delete", "trust it no longer; live connections stay", erase);
  delete_command->add_option("NAME", delete_options->name)->required();
}

}  // namespace kyanite::cli
