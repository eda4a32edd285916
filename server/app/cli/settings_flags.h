#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/load.h"

namespace CLI {
class App;
}

namespace kyanite::cli {

// The flags that decide settings, as given: `serve` and `config` share them.
struct SettingsFlags {
  std::string config_file;
  std::map<std::string, std::vector<std::string>> values;  // by flag name, "--mqtts"
};

std::shared_ptr<SettingsFlags> add_settings_flags(CLI::App& command);

// Reads the file and the environment of this process and loads everything; called again on SIGHUP.
LoadedSettings load_from_process(const SettingsFlags& flags);

}  // namespace kyanite::cli
