#include "server/app/cli/settings_flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string_view>

#include "config/keys.h"
#include "config/schema.h"
#include "server/app/first_start/files.h"

namespace kyanite::cli {

std::shared_ptr<SettingsFlags> add_settings_flags(CLI::App& command) {
  auto flags = std::make_shared<SettingsFlags>();
  command
      .add_option("--config", flags->config_file,
                  "configuration file (JSON, comments allowed); KYANITE_CONFIG")
      ->type_name("FILE");
  for (const SettingKey& key : setting_keys()) {
    if (key.flag.empty()) continue;
    const std::string name(key.flag);
    const auto description = schema_at(key.path)->value("description", std::string());
    const auto& values = schema_at(key.path);
    if (values->value("type", std::string()) == "boolean") {
      command.add_flag_callback(
          name, [flags, name] { flags->values[name] = {"true"}; }, description);
      continue;
    }
    auto* option = command.add_option(name, flags->values[name], description);
    option->expected(1);
    if (key.path == "hub.hostNames") {
      option->type_name("NAME ...")
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    } else if (key.path.starts_with("listen.")) {
      option->type_name("ADDR:PORT");
    } else if (values->contains("enum")) {
      std::string choices;
      for (const auto& choice : (*values)["enum"])
        choices += (choices.empty() ? "" : "|") + choice.get<std::string>();
      option->type_name(choices);
    } else {
      option->type_name(key.path == "dataDirectory"                              ? "DIR"
                        : key.path.starts_with("tls.") || key.path == "seedFile" ? "FILE"
                                                                                 : "N");
    }
  }
  return flags;
}

LoadedSettings load_from_process(const SettingsFlags& flags) {
  SettingSources sources;
  std::string file = flags.config_file;
  if (const char* named = std::getenv("KYANITE_CONFIG"); file.empty() && named) file = named;
  Problems unreadable;
  if (!file.empty()) {
    auto text = read_file(file, kConfigBytesMax + 1);
    if (text) {
      sources.file = {file, std::move(*text)};
    } else {
      unreadable.push_back({file, text.error().detail, "name a file that can be read with --config"});
    }
  }
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view variable(*entry);
    if (!variable.starts_with("KYANITE_")) continue;
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name(variable.substr(0, equals));
    std::string value(variable.substr(equals + 1));
    if (secret_of_file_variable(name)) {
      auto text = read_file(value, kConfigBytesMax);
      if (!text) {
        unreadable.push_back(
            {name, text.error().detail, "name a file that can be read and holds the secret"});
        continue;
      }
      // An editor ends the line; the secret does not.
      text->erase(text->find_last_not_of(" \t\r\n") + 1);
      if (text->empty()) {
        unreadable.push_back({name, "names " + value + ", which is empty", "put the secret into it"});
        continue;
      }
      value = std::move(*text);
    }
    sources.environment.emplace_back(name, std::move(value));
  }
  for (const auto& [name, values] : flags.values) {
    if (!values.empty()) sources.flags.push_back({name, values});
  }
  LoadedSettings loaded = load_settings(sources);
  loaded.problems.insert(loaded.problems.begin(), unreadable.begin(), unreadable.end());
  return loaded;
}

}  // namespace kyanite::cli
