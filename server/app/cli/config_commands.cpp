#include <CLI/CLI.hpp>
#include <cstdio>

#include "config/reference.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/settings_flags.h"
#include "server/app/seed_start.h"

namespace kyanite::cli {
namespace {

int check(const SettingsFlags& flags, bool print) {
  LoadedSettings loaded = load_from_process(flags);
  if (const auto& seed = loaded.settings.seed_file; !seed.empty()) read_seed_file(seed, loaded.problems);
  if (!loaded.problems.empty()) {
    std::fprintf(stderr, "%s", to_text(loaded.problems).c_str());
    return kFailed;
  }
  std::printf("%s\n", print ? show_settings(loaded.settings).dump(2).c_str() : "the configuration is good");
  return kDone;
}

}  // namespace

void add_config_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("config", "look at the configuration without starting");
  group->require_subcommand(1);
  for (const bool print : {false, true}) {
    auto* command = group->add_subcommand(
        print ? "print" : "check", print ? "print all settings in effect as JSON" : "report every problem");
    const auto flags = add_settings_flags(*command);
    command->callback([flags, print, &exit_code] { exit_code = check(*flags, print); });
  }
  auto* reference = group->add_subcommand("reference", "describe every setting, as Markdown");
  reference->callback([&exit_code] {
    std::printf("%s", settings_reference().c_str());
    exit_code = kDone;
  });
}

}  // namespace kyanite::cli
