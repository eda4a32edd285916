#include "config/reference.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "config/keys.h"
#include "config/schema.h"
#include "config/settings.h"

namespace kyanite {
namespace {

using nlohmann::json;

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

// A cell of a table: a bar would end it.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string joined(const json& choices) {
  std::string out;
  for (const json& choice : choices) out += (out.empty() ? "" : ", ") + code(choice.get<std::string>());
  return out;
}

// "1 to 128", "list of texts", "`json`, `text`".
std::string values(const json& schema) {
  if (schema.contains("enum")) return joined(schema["enum"]);
  const std::string type = schema.value("type", std::string());
  if (type == "boolean") return "`true`, `false`";
  if (type == "integer") return schema.at("minimum").dump() + " to " + schema.at("maximum").dump();
  if (type == "array") return "list, at most " + schema.at("maxItems").dump();
  return "text";
}

std::string shown_default(const SettingKey& key) {
  const json value = key.show(Settings{});
  if (value.is_string()) return value.get<std::string>().empty() ? "none" : code(value.get<std::string>());
  if (value.is_array() && value.empty()) return "none";
  return code(value.dump());
}

std::string sources(const SettingKey& key) {
  std::string out = code(environment_name(key.path));
  if (!key.environment.empty()) out += ", " + code(key.environment);
  if (!key.flag.empty()) out += ", " + code(key.flag);
  if (is_secret(key.path)) {
    const std::string name =
        key.environment.empty() ? environment_name(key.path) : std::string(key.environment);
    out += ", or a file: " + code(name + "_FILE");
  }
  return out;
}

}  // namespace

std::string settings_reference() {
  // Groups in the order in which they first come; keys without a group come together, first.
  std::vector<std::string> groups;
  const auto group_of = [](const SettingKey& key) {
    const std::size_t dot = key.path.find('.');
    return std::string(dot == std::string_view::npos ? "" : key.path.substr(0, dot));
  };
  for (const SettingKey& key : setting_keys()) {
    if (std::find(groups.begin(), groups.end(), group_of(key)) == groups.end())
      groups.push_back(group_of(key));
  }
  std::string out;
  for (const std::string& group : groups) {
    const std::string title = group.empty()
                                  ? "Without a group"
                                  : group + ": " + schema_at(group)->value("description", std::string());
    out += (out.empty() ? "## " : "\n## ") + title +
           "\n\n| Key | Default | Values | Environment and flag | Meaning |\n|---|---|---|---|---|\n";
    for (const SettingKey& key : setting_keys()) {
      if (group_of(key) != group) continue;
      const json& schema = *schema_at(key.path);
      out += "| " + code(key.path) + " | " + shown_default(key) + " | " + values(schema) + " | " +
             sources(key) + " | " + cell(schema.value("description", std::string())) + " |\n";
    }
  }
  return out;
}

}  // namespace kyanite
