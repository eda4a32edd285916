#include <algorithm>
#include <functional>

#include "server/app/cli/command_tree.h"

namespace kyanite::cli {
namespace {

void for_each_command(const Command& command, const std::function<void(const Command&)>& each) {
  each(command);
  for (const Command& child : command.commands) for_each_command(child, each);
}

// In single quotes, as bash, zsh and fish read them.
std::string in_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out + "'";
}

// fish has backslashes inside of single quotes.
std::string in_fish_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string joined_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

bool takes_file(const CommandOption& option) { return option.value == "FILE"; }
bool takes_folder(const CommandOption& option) { return option.value == "DIR"; }
bool is_path_argument(const CommandOption& argument) {
  const std::string& name = argument.names.front();
  return name == "FILE" || name == "DIR" || name == "PATH" || name == "BACKUP";
}

// case branches "'kyanite device') ... ;;" for every command for which `line` gives one.
std::string branches(const Command& root, const std::function<std::string(const Command&)>& line) {
  std::string out;
  for_each_command(root, [&](const Command& command) {
    const std::string text = line(command);
    if (!text.empty()) out += "    '" + command.path + "') " + text + " ;;\n";
  });
  return out;
}

// The words of the command line that name commands, as one pattern.
std::string command_paths(const Command& root) {
  std::string out;
  for_each_command(root, [&](const Command& command) {
    if (command.path != root.path) out += (out.empty() ? "" : "|") + ("'" + command.path + "'");
  });
  return out;
}

std::vector<std::string> words_of(const Command& command) {
  std::vector<std::string> words;
  for (const Command& child : command.commands) words.push_back(child.name());
  for (const CommandOption& option : command.options)
    words.insert(words.end(), option.names.begin(), option.names.end());
  return words;
}

// Branches "'kyanite serve --data') ... ;;" for the values of options.
std::string value_branches(const Command& root, const std::string& files, const std::string& folders,
                           const std::function<std::string(const std::vector<std::string>&)>& choices) {
  std::string out;
  for_each_command(root, [&](const Command& command) {
    for (const CommandOption& option : command.options) {
      std::string action;
      if (!option.choices.empty()) {
        action = choices(option.choices);
      } else if (takes_file(option)) {
        action = files;
      } else if (takes_folder(option)) {
        action = folders;
      } else if (!option.value.empty()) {
        action = "return";
      }
      if (action.empty()) continue;
      std::string pattern;
      for (const std::string& name : option.names)
        pattern += (pattern.empty() ? "" : "|") + ("'" + command.path + " " + name + "'");
      out += "    " + pattern + ") " + action + " ;;\n";
    }
  });
  return out;
}

}  // namespace

std::string bash_completion(const Command& root) {
  const std::string& name = root.path;
  std::string out =
      "# bash completion for " + name + "; source it, or put it into bash's completions folder.\n";
  out += "_" + name + "() {\n";
  out += "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path=" + name +
         " words= files= i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"$path ${COMP_WORDS[i]}\" in\n"
         "    " +
         command_paths(root) +
         ") path=\"$path ${COMP_WORDS[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$path $previous\" in\n";
  out += value_branches(
      root, "COMPREPLY=($(compgen -f -- \"$current\")); compopt -o filenames 2> /dev/null; return",
      "COMPREPLY=($(compgen -d -- \"$current\")); compopt -o filenames 2> /dev/null; return",
      [](const std::vector<std::string>& words) {
        return "COMPREPLY=($(compgen -W '" + joined_words(words) + "' -- \"$current\")); return";
      });
  out += "  esac\n  case \"$path\" in\n";
  out += branches(root, [](const Command& command) {
    std::string line = "words='" + joined_words(words_of(command)) + "'";
    if (std::any_of(command.arguments.begin(), command.arguments.end(), is_path_argument))
      line += "; files=1";
    return line;
  });
  out +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  if [ -n \"$files\" ] && [ \"${current#-}\" = \"$current\" ]; then\n"
      "    COMPREPLY+=($(compgen -f -- \"$current\"))\n"
      "    compopt -o filenames 2> /dev/null\n"
      "  fi\n"
      "}\n"
      "complete -F _" +
      name + " " + name + "\n";
  return out;
}

std::string zsh_completion(const Command& root) {
  const std::string& name = root.path;
  std::string out = "#compdef " + name + "\n# zsh completion for " + name + "; put it as _" + name +
                    " into a folder of $fpath, or source it after compinit.\n";
  out += "_" + name + "() {\n";
  out += "  local current=$words[CURRENT] previous=$words[CURRENT-1] path_=" + name +
         " i\n"
         "  local -a entries\n"
         "  for ((i = 2; i < CURRENT; i++)); do\n"
         "    case \"$path_ $words[i]\" in\n"
         "    " +
         command_paths(root) +
         ") path_=\"$path_ $words[i]\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$path_ $previous\" in\n";
  out += value_branches(
      root, "_files; return", "_files -/; return",
      [](const std::vector<std::string>& words) { return "compadd -- " + joined_words(words) + "; return"; });
  out += "  esac\n  case \"$path_\" in\n";
  const auto entry = [](const std::string& word, const std::string& description) {
    std::string escaped;
    for (const char c : word) escaped += c == ':' ? std::string("\\:") : std::string(1, c);
    return " " + in_quotes(escaped + ":" + description);
  };
  out += branches(root, [&](const Command& command) {
    std::string line = "entries=(";
    for (const Command& child : command.commands) line += entry(child.name(), child.description);
    for (const CommandOption& option : command.options) {
      for (const std::string& word : option.names) line += entry(word, option.description);
    }
    line += " )";
    if (std::any_of(command.arguments.begin(), command.arguments.end(), is_path_argument))
      line += "; [[ $current == -* ]] || _files";
    return line;
  });
  out += "  esac\n  _describe " + name + " entries\n}\n";
  out += "if [ \"$funcstack[1]\" = _" + name + " ]; then _" + name + " \"$@\"; else compdef _" + name + " " +
         name + "; fi\n";
  return out;
}

std::string fish_completion(const Command& root) {
  const std::string& name = root.path;
  std::string out = "# fish completion for " + name + "; put it into ~/.config/fish/completions/" + name +
                    ".fish\n"
                    "function __" +
                    name +
                    "_at\n"
                    "  set -l path_ " +
                    name +
                    "\n"
                    "  for word in (commandline -opc)[2..-1]\n"
                    "    switch \"$path_ $word\"\n"
                    "      case ";
  for_each_command(root, [&](const Command& command) {
    if (command.path != root.path) out += in_fish_quotes(command.path) + " ";
  });
  out +=
      "\n        set path_ \"$path_ $word\"\n"
      "    end\n"
      "  end\n"
      "  test \"$path_\" = \"$argv[1]\"\n"
      "end\n";
  for_each_command(root, [&](const Command& command) {
    const std::string at =
        "complete -c " + name + " -n " + in_fish_quotes("__" + name + "_at \"" + command.path + "\"");
    for (const Command& child : command.commands)
      out += at + " -f -a " + child.name() + " -d " + in_fish_quotes(child.description) + "\n";
    for (const CommandOption& option : command.options) {
      std::string line = at;
      for (const std::string& word : option.names)
        line += word.starts_with("--") ? " -l " + word.substr(2) : " -s " + word.substr(1);
      if (!option.value.empty()) line += takes_file(option) || takes_folder(option) ? " -r" : " -x";
      if (!option.choices.empty()) line += " -a " + in_fish_quotes(joined_words(option.choices));
      out += line + " -d " + in_fish_quotes(option.description) + "\n";
    }
  });
  return out;
}

}  // namespace kyanite::cli
