#include "config/schema.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <numeric>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

namespace kyanite {
namespace {

using Adapter = valijson::adapters::NlohmannJsonAdapter;

const nlohmann::json* properties_of(const nlohmann::json& node) {
  const auto found = node.find("properties");
  return found == node.end() ? nullptr : &*found;
}

void collect_keys(const nlohmann::json& node, const std::string& prefix, std::vector<std::string>& out) {
  const nlohmann::json* properties = properties_of(node);
  if (!properties) return;
  for (const auto& [name, child] : properties->items()) {
    if (name == "$schema") continue;
    if (properties_of(child)) {
      collect_keys(child, prefix + name + ".", out);
    } else {
      out.push_back(prefix + name);
    }
  }
}

const valijson::Schema& compiled(std::string_view path) {
  static std::map<std::string, std::unique_ptr<valijson::Schema>, std::less<>> cache;
  const auto found = cache.find(path);
  if (found != cache.end()) return *found->second;
  auto schema = std::make_unique<valijson::Schema>();
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(Adapter(*schema_at(path)), *schema);
  return *cache.emplace(std::string(path), std::move(schema)).first->second;
}

std::string quoted_list(const nlohmann::json& values) {
  std::string out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += i + 1 == values.size() ? " or " : ", ";
    out += values[i].dump();
  }
  return out;
}

// "an integer from 0 to 256": what the schema node allows.
std::string allowed(const nlohmann::json& node) {
  if (const auto choices = node.find("enum"); choices != node.end()) return quoted_list(*choices);
  const auto type = node.value("type", std::string("value"));
  if (type == "integer") {
    return "an integer from " + node["minimum"].dump() + " to " + node["maximum"].dump();
  }
  if (type == "boolean") return "true or false";
  if (type == "array") return "a list of at most " + node["maxItems"].dump() + " texts";
  if (type == "object") return "an object with its keys in { }";
  return node.contains("minLength") ? "a text that is not empty" : "a text";
}

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string to_text(const Problems& problems) {
  std::string out;
  for (const Problem& problem : problems) {
    out += problem.where + ' ' + problem.what;
    if (!problem.remedy.empty()) out += "; " + problem.remedy;
    out += '\n';
  }
  return out;
}

const nlohmann::json& config_schema() {
  static const nlohmann::json schema = nlohmann::json::parse(config_schema_text());
  return schema;
}

const nlohmann::json* schema_at(std::string_view path) {
  const nlohmann::json* node = &config_schema();
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const nlohmann::json* properties = properties_of(*node);
    if (!properties) return nullptr;
    const auto child = properties->find(std::string(path.substr(0, dot)));
    if (child == properties->end()) return nullptr;
    node = &*child;
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return node;
}

const std::vector<std::string>& schema_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> out;
    collect_keys(config_schema(), "", out);
    return out;
  }();
  return keys;
}

std::optional<Problem> check_value(std::string_view path, const nlohmann::json& value, std::string where) {
  const nlohmann::json& node = *schema_at(path);
  valijson::Validator validator;
  if (validator.validate(compiled(path), Adapter(value), nullptr)) return std::nullopt;
  const auto description = node.value("description", std::string());
  return Problem{std::move(where), "is " + shown(value), "write " + allowed(node) + " (" + description + ")"};
}

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known) {
  const std::string wanted = lower(name.substr(0, 100));
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::string other = lower(candidate);
    // A cut-off name ("dataDir") counts as one slip.
    const bool is_start = wanted.size() >= 3 && other.starts_with(wanted);
    const std::size_t distance = is_start ? 1 : edit_distance(wanted, other);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (!best) return std::nullopt;
  return *best;
}

}  // namespace kyanite
