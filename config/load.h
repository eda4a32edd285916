#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/problem.h"
#include "config/settings.h"

namespace kyanite {

// Everything that may decide a setting, as values: reading files and the environment is the caller's
// business.
struct SettingSources {
  struct File {
    std::string name;  // for messages
    std::string text;  // JSON; // and /* */ comments are allowed
  };
  struct Flag {
    std::string name;                 // "--mqtts"
    std::vector<std::string> values;  // more than one for lists
  };
  std::optional<File> file;
  // The variables that begin with KYANITE_. Of one that names a secret's file (secret_of_file_variable) the
  // content of that file.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<Flag> flags;
};

struct LoadedSettings {
  Settings settings;
  Problems problems;  // empty: the settings may be used
};

// Defaults < file < environment < flags. Never stops at the first problem: unknown keys (with the nearest
// known name), values outside the schema and settings that do not go together are all in the list. Bound: a
// file of kConfigBytesMax.
inline constexpr std::size_t kConfigBytesMax = 1024 * 1024;
LoadedSettings load_settings(const SettingSources& sources);

// The settings as a configuration file would state them, every key present.
nlohmann::ordered_json show_settings(const Settings& settings);

// Keys that have another value, "listen.mqtts", in the order of the reference. Values that are not shown are
// compared as they are.
std::vector<std::string> differing_settings(const Settings& a, const Settings& b);

}  // namespace kyanite
