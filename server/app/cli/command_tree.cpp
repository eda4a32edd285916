#include "server/app/cli/command_tree.h"

#include <CLI/CLI.hpp>

namespace kyanite::cli {
namespace {

// "TEXT:{primary,secondary}" or "ecdsa-p256|rsa-2048".
std::vector<std::string> choices_of(const std::string& type) {
  std::string list;
  char separator = ',';
  const std::size_t open = type.find('{'), close = type.rfind('}');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    list = type.substr(open + 1, close - open - 1);
  } else if (type.find('|') != std::string::npos) {
    list = type;
    separator = '|';
  }
  std::vector<std::string> choices;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(separator), list.size());
    if (end > 0) choices.push_back(list.substr(0, end));
    list.erase(0, std::min(end + 1, list.size()));
  }
  return choices;
}

CommandOption describe_option(const CLI::Option& option) {
  CommandOption out;
  out.description = option.get_description();
  out.required = option.get_required();
  out.choices = choices_of(option.get_type_name());
  out.repeats = option.get_items_expected_max() > 1;
  if (option.get_positional()) {
    out.names = {option.get_name(true)};
    return out;
  }
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
  if (option.get_items_expected_max() == 0) return out;
  out.value = option.get_type_name();
  if (const std::size_t colon = out.value.find(":{"); colon != std::string::npos) {
    out.value.clear();
    for (const std::string& choice : out.choices) out.value += (out.value.empty() ? "" : "|") + choice;
  }
  if (out.value.empty()) out.value = "VALUE";
  return out;
}

Command describe_command(const CLI::App& app, const std::string& path) {
  Command out;
  out.path = path;
  out.description = app.get_description();
  out.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (option->get_group().empty()) continue;  // hidden
    (option->get_positional() ? out.arguments : out.options).push_back(describe_option(*option));
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty())
      out.commands.push_back(describe_command(*command, path + " " + command->get_name()));
  }
  return out;
}

}  // namespace

Command describe_commands(const CLI::App& app) { return describe_command(app, app.get_name()); }

}  // namespace kyanite::cli
