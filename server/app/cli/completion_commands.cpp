#include <CLI/CLI.hpp>
#include <cstdio>

#include "server/app/cli/command_tree.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/version.h"

// What packages install beside the program, made from its own description of the command line.
namespace kyanite::cli {

void add_completion_commands(CLI::App& app, int& exit_code) {
  auto* group =
      app.add_subcommand("completion", "print a script that lets a shell complete kyanite's commands");
  group->require_subcommand(1);
  struct Shell {
    const char* name;
    std::string (*text)(const Command&);
  };
  for (const Shell& shell :
       {Shell{"bash", bash_completion}, Shell{"zsh", zsh_completion}, Shell{"fish", fish_completion}}) {
    auto* command = group->add_subcommand(shell.name, std::string("for ") + shell.name);
    command->callback([&app, text = shell.text, &exit_code] {
      const std::string script = text(describe_commands(app));
      std::fwrite(script.data(), 1, script.size(), stdout);
      exit_code = kDone;
    });
  }
  app.add_subcommand("man", "print the manual page kyanite(1), for man -l -")->callback([&app, &exit_code] {
    const std::string page = man_page(describe_commands(app), std::string(kVersion));
    std::fwrite(page.data(), 1, page.size(), stdout);
    exit_code = kDone;
  });
}

}  // namespace kyanite::cli
