#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

// The command line as data, read from CLI11's own description of it, so that completions and the manual page
// name whatever `kyanite --help` names.
namespace kyanite::cli {

struct CommandOption {
  std::vector<std::string> names;  // "--json", "-o"; for an argument its one name, "NAME"
  std::string value;               // "FILE"; empty for a flag and for an argument
  std::vector<std::string> choices;
  std::string description;
  bool required = false;
  bool repeats = false;
};

struct Command {
  std::string path;  // "kyanite device create"
  std::string description;
  std::string footer;
  std::vector<CommandOption> options;
  std::vector<CommandOption> arguments;
  std::vector<Command> commands;

  std::string name() const { return path.substr(path.rfind(' ') + 1); }
};

Command describe_commands(const CLI::App& app);

// Scripts that complete commands, options and their values. Sourced by the shell.
std::string bash_completion(const Command& root);
std::string zsh_completion(const Command& root);
std::string fish_completion(const Command& root);

// kyanite(1) in the macros of man(7).
std::string man_page(const Command& root, const std::string& version);

}  // namespace kyanite::cli
