#include "server/app/cli/command_tree.h"

namespace kyanite::cli {
namespace {

// Text as roff reads it: backslashes and hyphens are not taken for its own.
std::string roff(const std::string& text) {
  std::string out;
  bool at_line_start = true;
  for (const char c : text) {
    if (at_line_start && (c == '.' || c == '\'')) out += "\\&";
    at_line_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

// "FILE", "NAME ..." or "primary|secondary" after an option.
std::string value_text(const CommandOption& option) {
  return option.choices.empty() ? italic(option.value) : roff(option.value);
}

std::string option_entry(const CommandOption& option) {
  std::string names;
  for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + bold(name);
  if (!option.value.empty()) names += " " + value_text(option);
  std::string description = roff(option.description);
  if (option.required) description += description.empty() ? "needed" : " (needed)";
  if (description.empty()) description = "\\&";
  return ".TP\n" + names + "\n" + description + "\n";
}

std::string argument_entry(const CommandOption& argument) {
  if (argument.description.empty()) return {};
  return ".TP\n" + italic(argument.names.front()) + "\n" + roff(argument.description) + "\n";
}

std::string synopsis(const Command& command) {
  std::string out = bold(command.path);
  for (const CommandOption& argument : command.arguments) {
    std::string name = italic(argument.names.front());
    if (argument.repeats) name += " ...";
    out += argument.required ? " " + name : " [" + name + "]";
  }
  for (const CommandOption& option : command.options) {
    if (!option.required) continue;
    out += " " + bold(option.names.front());
    if (!option.value.empty()) out += " " + value_text(option);
  }
  return out + " [" + italic("options") + "]";
}

void add_command(const Command& command, std::string& out) {
  if (command.commands.empty()) {
    out += ".SS \"" + roff(command.path) + "\"\n" + synopsis(command) + "\n.PP\n" +
           roff(command.description) + "\n";
    for (const CommandOption& argument : command.arguments) out += argument_entry(argument);
    for (const CommandOption& option : command.options) out += option_entry(option);
    if (!command.footer.empty()) out += ".PP\n" + roff(command.footer) + "\n";
  }
  for (const Command& child : command.commands) add_command(child, out);
}

}  // namespace

std::string man_page(const Command& root, const std::string& version) {
  std::string out = ".TH KYANITE 1 \"\" \"kyanite " + version + "\" \"User Commands\"\n";
  out += ".SH NAME\nkyanite \\- hub for devices and back ends built for Azure IoT Hub\n";
  out += ".SH SYNOPSIS\n" + bold(root.path) + " " + italic("command") + " [" + italic("options") + "]\n";
  out += ".SH DESCRIPTION\n" + roff(root.description) + ".\n";
  if (!root.footer.empty()) out += ".PP\n" + roff(root.footer) + "\n";
  out += ".SH OPTIONS\n";
  for (const CommandOption& option : root.options) out += option_entry(option);
  out += ".SH COMMANDS\n";
  for (const Command& command : root.commands) {
    out += ".TP\n" + bold(command.name()) + "\n" + roff(command.description) + "\n";
  }
  out += ".SH \"EACH COMMAND\"\n";
  for (const Command& command : root.commands) add_command(command, out);
  out +=
      ".SH \"EXIT STATUS\"\n"
      ".TP\n0\ndone\n"
      ".TP\n1\nrefused or failed; of \\fBcheck\\fR: something is wrong\n"
      ".TP\n2\nwrong use; of \\fBcheck\\fR: nothing could be looked at\n"
      ".TP\n3\nof \\fBevents\\fR: too few events before the time was over\n"
      ".TP\n70\nof \\fBserve\\fR: the store failed\n"
      ".SH ENVIRONMENT\n"
      ".TP\n\\fBKYANITE_CONFIG\\fR\nthe configuration file of \\fBserve\\fR and \\fBconfig\\fR\n"
      ".TP\n\\fBKYANITE_DATA\\fR\nthe data directory; ./kyanite\\-data without it\n"
      ".TP\n\\fBKYANITE_CONNECTION_STRING\\fR\na service connection string, for commands that talk to a hub\n"
      ".TP\n\\fBKYANITE_CA_FILE\\fR\nPEM file with the CA that its certificate is trusted by\n"
      ".TP\n\\fBKYANITE_\\fIKEY\\fR\nevery setting; see the configuration reference\n"
      ".SH FILES\n"
      ".TP\n\\fIDATA\\fR/hub.json\nhow to reach the running hub, with the owner's key\n"
      ".TP\n\\fIDATA\\fR/store\nwhat the hub keeps\n"
      ".TP\n\\fIDATA\\fR/pki\nits certificates and their keys\n"
      ".TP\n\\fIDATA\\fR/backups\nbackups that it made while it ran\n";
  return out;
}

}  // namespace kyanite::cli
