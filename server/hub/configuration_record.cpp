#include "server/hub/configuration_record.h"

#include <optional>

#include "protocol/base/base64.h"
#include "protocol/base/hash.h"
#include "protocol/twin/twin_limits.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kConfigurationVersion = 1;
constexpr std::string_view kDesired = "properties.desired";

Error bad_content(std::string sentence) { return {Errc::configuration_content_invalid, std::move(sentence)}; }

const Json* present(const Json& object, std::string_view name) {
  const Json* member = find_member(object, name);
  return member != nullptr && !member->is_null() ? member : nullptr;
}

// Puts the value at the path below `target`, which other keys have written to before.
Result<void> put_at(Json& target, std::string_view path, const Json& value) {
  Json* place = &target;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string name(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
    if (name.empty()) return bad_content("a key has an empty name");
    Json& member = (*place)[name];
    if (path.empty()) {
      if (!member.is_null()) return bad_content("two keys write the same property");
      member = value;
      return {};
    }
    if (member.is_null()) member = Json::object();
    if (!member.is_object()) return bad_content("two keys write the same property");
    place = &member;
  }
  if (!value.is_object()) return bad_content("properties.desired must be an object");
  for (const auto& [name, member] : members_of(value)) {
    if (target.contains(name)) return bad_content("two keys write the same property");
    append_member(members_of(target), name, member);
  }
  return {};
}

// Puts the value at the path, in the place of what is there.
void replace_at(Json& target, std::string_view path, const Json& value) {
  Json* place = &target;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    if (!place->is_object()) *place = Json::object();
    place = &(*place)[std::string(path.substr(0, dot))];
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  *place = value;
}

Result<void> check_edge_content(const Json& modules) {
  if (!modules.is_object()) return bad_content("modulesContent must be an object");
  if (!modules.contains("$edgeAgent")) return bad_content("modulesContent has no $edgeAgent");
  for (const auto& [module, content] : members_of(modules)) {
    if (auto desired = desired_of_content(content); !desired) return desired.error();
  }
  return {};
}

}  // namespace

std::string configuration_etag(const ConfigurationRecord& record) {
  return encode_base64(std::to_string(record.etag_counter));
}

std::string encode_configuration(const ConfigurationRecord& record) {
  Json metrics = Json::array();
  for (const auto& [name, query] : record.metrics) metrics.push_back(Json::array({name, query}));
  return dump_json(Json{{"v", kConfigurationVersion},
                        {"id", record.id},
                        {"schema", record.schema_version},
                        {"labels", record.labels},
                        {"content", record.content},
                        {"condition", record.target_condition},
                        {"priority", record.priority},
                        {"metrics", std::move(metrics)},
                        {"created", record.created.time_since_epoch().count()},
                        {"updated", record.updated.time_since_epoch().count()},
                        {"etag", record.etag_counter}});
}

Result<ConfigurationRecord> decode_configuration(std::string_view text) {
  const Error damaged(Errc::storage_failed, "configuration record: damaged, or written by a newer program");
  const Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return damaged;
  bool ok = true;
  const auto find = [&](const char* name, Json::value_t type) -> const Json* {
    const auto member = json->find(name);
    const bool integer = member != json->end() && member->is_number_integer();
    if (member != json->end() &&
        (member->type() == type || (integer && type == Json::value_t::number_integer))) {
      return &*member;
    }
    ok = false;
    return nullptr;
  };
  const auto read_text = [&](const char* name, std::string& into) {
    if (const Json* member = find(name, Json::value_t::string)) into = member->get<std::string>();
  };
  const auto read_number = [&](const char* name) {
    const Json* member = find(name, Json::value_t::number_integer);
    return member != nullptr ? member->get<std::int64_t>() : 0;
  };
  if (read_number("v") > static_cast<std::int64_t>(kConfigurationVersion)) return damaged;
  ConfigurationRecord record;
  read_text("id", record.id);
  read_text("schema", record.schema_version);
  read_text("condition", record.target_condition);
  if (const Json* labels = find("labels", Json::value_t::object)) record.labels = *labels;
  if (const Json* content = find("content", Json::value_t::object)) record.content = *content;
  record.priority = read_number("priority");
  record.created = WallTime(milliseconds(read_number("created")));
  record.updated = WallTime(milliseconds(read_number("updated")));
  record.etag_counter = static_cast<std::uint64_t>(read_number("etag"));
  if (const Json* metrics = find("metrics", Json::value_t::array)) {
    for (const Json& metric : *metrics) {
      if (!metric.is_array() || metric.size() != 2 || !metric[0].is_string() || !metric[1].is_string()) {
        return damaged;
      }
      record.metrics.emplace_back(metric[0].get<std::string>(), metric[1].get<std::string>());
    }
  }
  if (!ok) return damaged;
  return record;
}

Result<ConfigurationKind> kind_of_content(const Json& content) {
  const Json* device = present(content, "deviceContent");
  const Json* module = present(content, "moduleContent");
  const Json* edge = present(content, "modulesContent");
  const int kinds = (device != nullptr) + (module != nullptr) + (edge != nullptr);
  if (kinds != 1) {
    return bad_content("content has exactly one of deviceContent, moduleContent and modulesContent");
  }
  if (edge != nullptr) {
    if (auto checked = check_edge_content(*edge); !checked) return checked.error();
    return ConfigurationKind::edge;
  }
  if (auto desired = desired_of_content(device != nullptr ? *device : *module); !desired) {
    return desired.error();
  }
  return device != nullptr ? ConfigurationKind::device : ConfigurationKind::module;
}

Result<Json> desired_of_content(const Json& content) {
  if (!content.is_object()) return bad_content("the content of a twin must be an object");
  Json desired = Json::object();
  for (const auto& [key, value] : members_of(content)) {
    std::string_view path = key;
    if (!path.starts_with(kDesired)) return bad_content("keys begin with properties.desired");
    path.remove_prefix(kDesired.size());
    if (!path.empty() && path.front() != '.') return bad_content("keys begin with properties.desired");
    if (!path.empty()) path.remove_prefix(1);
    if (path.empty() && key.size() > kDesired.size()) return bad_content("a key has an empty name");
    if (auto put = put_at(desired, path, value); !put) return put.error();
  }
  Result<void> checked = check_section(desired, TwinSection::desired, Nulls::refused);
  if (checked) checked = check_size(desired, TwinSection::desired);
  if (!checked) return bad_content(checked.error().detail);
  return desired;
}

bool is_layer(const Json& content) {
  const Json* modules = present(content, "modulesContent");
  if (modules == nullptr) return false;
  const auto agent = modules->find("$edgeAgent");
  return agent != modules->end() && !agent->contains(kDesired);
}

Json merge_modules(const std::vector<const Json*>& modules) {
  Json merged = Json::object();
  for (const Json* content : modules) {
    for (const auto& [module, keys] : members_of(*content)) {
      Json& desired = merged[module][std::string(kDesired)];
      if (desired.is_null()) desired = Json::object();
      if (const auto whole = keys.find(kDesired); whole != keys.end()) desired = *whole;
      for (const auto& [key, value] : members_of(keys)) {
        if (key != kDesired) replace_at(desired, std::string_view(key).substr(kDesired.size() + 1), value);
      }
    }
  }
  return merged;
}

std::string reported_query(const std::string& id, bool success) {
  return "select deviceId from devices.modules where moduleId = '$edgeAgent' and configurations.[[" + id +
         "]].status = 'Applied' and properties.desired.$version = properties.reported.lastDesiredVersion and "
         "properties.reported.lastDesiredStatus.code " +
         (success ? "= 200" : "!= 200");
}

std::string content_digest(const Json& content) {
  const std::uint64_t hash = stable_hash(dump_json(content));
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(hash >> shift)));
  }
  return encode_base64(bytes);
}

}  // namespace kyanite
