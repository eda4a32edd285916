#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

// How each key of the schema reaches Settings and comes back. One row a key; keys.cpp is the whole list.
namespace kyanite {

// Why a value that obeys the schema still cannot be used.
struct KeyFault {
  std::string what;
  std::string remedy;
};

struct SettingKey {
  std::string_view path;         // "listen.mqtts"
  std::string_view flag;         // "--mqtts", empty when there is none
  std::string_view environment;  // a short name beside the derived one, or empty
  std::optional<KeyFault> (*apply)(Settings& settings, const nlohmann::json& value);
  nlohmann::json (*show)(const Settings& settings);
};

const std::vector<SettingKey>& setting_keys();
const SettingKey* find_key(std::string_view path);

// "listen.mqtts" -> "KYANITE_LISTEN_MQTTS", "hub.hostNames" -> "KYANITE_HUB_HOST_NAMES".
std::string environment_name(std::string_view path);

// A key whose value opens the hub: never shown, and KYANITE_X_FILE names a file with it beside KYANITE_X.
bool is_secret(std::string_view path);
// The secret that a variable such as KYANITE_OWNER_KEY_FILE is for; nullptr for any other variable.
const SettingKey* secret_of_file_variable(std::string_view variable);

}  // namespace kyanite
