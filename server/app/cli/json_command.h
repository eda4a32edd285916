#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "protocol/base/json_limits.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"

// Subcommands that ask a hub once and print what it answered.
namespace kyanite::cli {

// What their options begin with.
struct JsonCommandOptions {
  std::shared_ptr<HubOptions> hub;
  bool json = false;
};

int print_answer(const Result<Json>& answer);

// Declares one; `json_help` is for those that print something else without the flag. `Options` derives from
// JsonCommandOptions and lives as long as the command.
template <class Options>
CLI::App& declare_json_command(CLI::App& group, const char* name, const char* description,
                               const std::shared_ptr<Options>& options,
                               int (*action)(const Options&, RestClient&), int& exit_code,
                               const char* json_help = "print JSON, as is done in any case") {
  CLI::App& command = *group.add_subcommand(name, description);
  options->hub = add_hub_options(command);
  command.add_flag("--json", options->json, json_help);
  command.callback([options, action, &exit_code] {
    auto target = find_hub(*options->hub);
    if (!target) {
      exit_code = fail(target.error().detail);
      return;
    }
    RestClient hub(std::move(*target));
    exit_code = action(*options, hub);
  });
  return command;
}

}  // namespace kyanite::cli
