#include "config/load.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "config/keys.h"
#include "config/schema.h"
#include "config/validate.h"

namespace kyanite {
namespace {

using nlohmann::json;

// Variables that begin with KYANITE_ and are not settings: read by the program itself, or put there by a
// container orchestrator for a service called "kyanite".
bool is_foreign_variable(std::string_view name) {
  return name == "KYANITE_CONFIG" || name == "KYANITE_CONNECTION_STRING" || name == "KYANITE_CA_FILE" ||
         name == "KYANITE_PORT" || name.starts_with("KYANITE_PORT_") || name.starts_with("KYANITE_SERVICE_");
}

// Text from the environment or a flag as the JSON the schema asks for. What cannot be read stays text, and
// the schema check then names it.
json value_from_text(std::string_view path, const std::string& text) {
  const auto type = schema_at(path)->value("type", std::string());
  if (type == "integer") {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return number;
  } else if (type == "boolean") {
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
  } else if (type == "array") {
    json list = json::array();
    for (std::size_t from = 0; from <= text.size();) {
      const std::size_t comma = std::min(text.find(',', from), text.size());
      std::string part = text.substr(from, comma - from);
      part.erase(0, part.find_first_not_of(' '));
      part.erase(part.find_last_not_of(' ') + 1);
      if (!part.empty()) list.push_back(part);
      from = comma + 1;
    }
    return list;
  }
  return text;
}

// One run of load_settings: the settings so far and what was found wrong.
class Loader {
 public:
  void read_file(const SettingSources::File& file);
  void read_environment(const std::vector<std::pair<std::string, std::string>>& variables);
  void read_flags(const std::vector<SettingSources::Flag>& flags);
  LoadedSettings finish();

 private:
  void read_object(const json& object, const std::string& prefix);
  void take(std::string_view path, const json& value, const std::string& where);
  void complain(std::string where, std::string what, std::string remedy) {
    out_.problems.push_back({std::move(where), std::move(what), std::move(remedy)});
  }

  LoadedSettings out_;
  std::string file_name_;
};

// Where the parser stopped, as "line 3, column 7".
std::string position(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte > 0 ? byte - 1 : 0, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(before.size() - line_start + 1);
}

void Loader::read_file(const SettingSources::File& file) {
  file_name_ = file.name;
  if (file.text.size() > kConfigBytesMax) {
    return complain(file_name_, "is larger than 1 MiB", "name the configuration file itself");
  }
  // Members seen in each open object; the parser itself would keep the last of two silently.
  std::vector<std::set<std::string>> open;
  std::vector<std::string> repeated;
  const auto watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      open.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      open.pop_back();
    } else if (event == json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second) {
      repeated.push_back(parsed.get<std::string>());
    }
    return true;
  };
  json document;
  try {
    document = json::parse(file.text, watch, true, true);
  } catch (const json::parse_error& error) {
    return complain(file_name_, "is no JSON at " + position(file.text, error.byte),
                    "look for a missing or extra comma, quote or brace there; comments are // and /* */");
  }
  for (const std::string& name : repeated)
    complain(file_name_ + ": " + name, "stands twice", "keep one of them");
  if (!document.is_object())
    return complain(file_name_, "holds no object", "begin the file with { and end it with }");
  read_object(document, "");
}

void Loader::read_object(const json& object, const std::string& prefix) {
  const json& node = *schema_at(prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1));
  const json& properties = node["properties"];
  for (const auto& [name, value] : object.items()) {
    const std::string path = prefix + name;
    const std::string where = file_name_ + ": " + path;
    if (!properties.contains(name)) {
      std::vector<std::string> known = schema_keys();
      for (const auto& entry : properties.items()) known.push_back(prefix + entry.key());
      const auto near = nearest_name(path, known);
      complain(where, "is no known key",
               near ? "did you mean " + *near + "?" : "`kyanite config reference` lists all keys");
      continue;
    }
    if (properties[name].contains("properties") && value.is_object()) {
      read_object(value, path + ".");
    } else if (path != "$schema") {
      take(path, value, where);
    }
  }
}

void Loader::take(std::string_view path, const json& value, const std::string& where) {
  if (auto problem = check_value(path, value, where)) {
    out_.problems.push_back(std::move(*problem));
    return;
  }
  const SettingKey* key = find_key(path);
  if (!key) return;  // a group such as "listen" with a value that obeys the schema: an empty object
  if (auto fault = key->apply(out_.settings, value))
    complain(where, std::move(fault->what), std::move(fault->remedy));
}

void Loader::read_environment(const std::vector<std::pair<std::string, std::string>>& variables) {
  std::map<std::string, const SettingKey*, std::less<>> known;
  for (const SettingKey& key : setting_keys()) {
    known[environment_name(key.path)] = &key;
    if (!key.environment.empty()) known[std::string(key.environment)] = &key;
  }
  std::map<const SettingKey*, std::string> secrets;  // the variable that gave each
  std::vector<std::string> names;
  for (const auto& entry : known) names.push_back(entry.first);
  names.emplace_back("KYANITE_CONFIG");
  for (const auto& [name, text] : variables) {
    if (!name.starts_with("KYANITE_") || is_foreign_variable(name)) continue;
    const SettingKey* of_file = secret_of_file_variable(name);
    const auto found = of_file ? known.find(environment_name(of_file->path)) : known.find(name);
    if (found != known.end()) {
      if (is_secret(found->second->path)) {
        const auto [earlier, is_first] = secrets.emplace(found->second, name);
        if (!is_first) complain(name, "is given beside " + earlier->second, "give one of the two");
      }
      take(found->second->path, value_from_text(found->second->path, text), name);
      continue;
    }
    const auto near = nearest_name(name, names);
    complain(name, "is no known variable",
             near ? "did you mean " + *near + "?" : "unset it, or see `kyanite config reference`");
  }
}

void Loader::read_flags(const std::vector<SettingSources::Flag>& flags) {
  for (const SettingSources::Flag& flag : flags) {
    if (flag.values.empty()) continue;
    const auto& keys = setting_keys();
    const auto key =
        std::find_if(keys.begin(), keys.end(), [&](const SettingKey& k) { return k.flag == flag.name; });
    if (key == keys.end()) {
      complain(flag.name, "is no known flag", "see kyanite serve --help");
      continue;
    }
    std::string joined = flag.values.front();
    for (std::size_t i = 1; i < flag.values.size(); ++i) joined += "," + flag.values[i];
    take(key->path, value_from_text(key->path, joined), flag.name);
  }
}

LoadedSettings Loader::finish() {
  for (Problem& problem : check_settings(out_.settings)) out_.problems.push_back(std::move(problem));
  return std::move(out_);
}

}  // namespace

LoadedSettings load_settings(const SettingSources& sources) {
  Loader loader;
  if (sources.file) loader.read_file(*sources.file);
  loader.read_environment(sources.environment);
  loader.read_flags(sources.flags);
  return loader.finish();
}

nlohmann::ordered_json show_settings(const Settings& settings) {
  nlohmann::ordered_json out;
  for (const SettingKey& key : setting_keys()) {
    const std::string path(key.path);
    const std::size_t dot = path.find('.');
    nlohmann::ordered_json value = key.show(settings);
    if (dot == std::string::npos) {
      out[path] = std::move(value);
    } else {
      out[path.substr(0, dot)][path.substr(dot + 1)] = std::move(value);
    }
  }
  return out;
}

std::vector<std::string> differing_settings(const Settings& a, const Settings& b) {
  std::vector<std::string> keys;
  for (const SettingKey& key : setting_keys()) {
    bool same = key.show(a) == key.show(b);
    if (key.path == "auth.testTokens") same = a.auth.test_tokens == b.auth.test_tokens;
    if (key.path == "auth.ownerKey") same = a.auth.owner_key == b.auth.owner_key;
    if (!same) keys.emplace_back(key.path);
  }
  return keys;
}

}  // namespace kyanite
