#include "server/app/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/version.h"

namespace kyanite::cli {

int fail(const std::string& sentence) {
  std::fprintf(stderr, "kyanite: %s\n", sentence.c_str());
  return kFailed;
}

namespace {

// CLI11 only says that a subcommand is required, also when one was given that does not exist: names it then.
bool tell_unknown_command(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string path = app.get_name();
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  const std::vector<std::string> words = at->remaining();
  if (at->get_require_subcommand_min() == 0 || words.empty()) return false;
  std::fprintf(stderr, "kyanite: there is no `%s %s`; `%s --help` lists what there is\n", path.c_str(),
               words.front().c_str(), path.c_str());
  return true;
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app{"Kyanite, a self-hosted hub for devices built for Azure IoT Hub", "kyanite"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(kVersion));
  app.footer(
      "Commands that talk to a hub find it by --login or KYANITE_CONNECTION_STRING (a service connection "
      "string), else\n"
      "by hub.json in --data, KYANITE_DATA, ./kyanite-data or /var/lib/kyanite.\n"
      "Exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 too few events before the time was over.");
  int exit_code = kDone;
  add_serve_command(app, exit_code);
  add_device_commands(app, exit_code);
  add_module_commands(app, exit_code);
  add_twin_commands(app, exit_code);
  add_query_command(app, exit_code);
  add_sas_commands(app, exit_code);
  add_method_commands(app, exit_code);
  add_job_commands(app, exit_code);
  add_configuration_commands(app, exit_code);
  add_event_commands(app, exit_code);
  add_connection_command(app, exit_code);
  add_consumer_group_commands(app, exit_code);
  add_c2d_commands(app, exit_code);
  add_certificate_commands(app, exit_code);
  add_policy_commands(app, exit_code);
  add_transfer_commands(app, exit_code);
  add_clock_commands(app, exit_code);
  add_file_commands(app, exit_code);
  add_fault_commands(app, exit_code);
  add_wait_commands(app, exit_code);
  add_snapshot_commands(app, exit_code);
  add_hub_commands(app, exit_code);
  add_health_command(app, exit_code);
  add_config_commands(app, exit_code);
  add_backup_commands(app, exit_code);
  add_operator_commands(app, exit_code);
  add_support_bundle_command(app, exit_code);
  add_completion_commands(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    return tell_unknown_command(app) || app.exit(error) != 0 ? kUsage : kDone;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;  // --help and --version are "errors" of value 0
  } catch (const std::exception& error) {
    return fail(error.what());
  }
  return exit_code;
}

}  // namespace kyanite::cli
