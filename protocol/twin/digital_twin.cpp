#include "protocol/twin/digital_twin.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace kyanite {
namespace {

constexpr std::string_view kMarker = "__t";
constexpr std::string_view kMetadata = "$metadata";

bool is_component(const Json* value) {
  if (value == nullptr || !value->is_object()) return false;
  const auto marker = value->find(kMarker);
  return marker != value->end() && *marker == "c";
}

const Json* member_of(const Json* object, const std::string& name) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(name);
  return found == object->end() ? nullptr : &*found;
}

const TwinMetadata* below(const TwinMetadata* metadata, std::string_view name) {
  if (metadata == nullptr) return nullptr;
  for (const TwinMetadata::Member& member : metadata->members) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

// A property the device acknowledged: {"value":…,"ac":200,"av":3,"ad":"…"}.
bool is_acknowledgement(const Json& reported) {
  return reported.is_object() && reported.contains("value") &&
         (reported.contains("ac") || reported.contains("av"));
}

// One level of both sections: the root, or what is below a component.
struct Level {
  const Json* desired = nullptr;
  const Json* reported = nullptr;
  const TwinMetadata* desired_metadata = nullptr;
  const TwinMetadata* reported_metadata = nullptr;

  Level at(const std::string& name) const {
    return {member_of(desired, name), member_of(reported, name), below(desired_metadata, name),
            below(reported_metadata, name)};
  }
};

// A property below `level`: its value, and what its $metadata says.
std::pair<Json, Json> property_of(const Level& property) {
  Json facts = Json::object();
  const Json* value = property.desired;
  if (property.desired != nullptr) {
    facts["desiredValue"] = *property.desired;
    if (property.desired_metadata != nullptr) {
      facts["desiredVersion"] = property.desired_metadata->last.version;
    }
  }
  if (property.reported != nullptr) {
    value = property.reported;
    if (is_acknowledgement(*property.reported)) {
      value = member_of(property.reported, "value");
      const auto copy = [&](const char* from, const char* to) {
        if (const Json* fact = member_of(property.reported, from)) facts[to] = *fact;
      };
      copy("av", "ackVersion");
      copy("ac", "ackCode");
      copy("ad", "ackDescription");
    }
  }
  const TwinMetadata* written =
      property.reported_metadata != nullptr ? property.reported_metadata : property.desired_metadata;
  if (written != nullptr) facts["lastUpdateTime"] = twin_time(written->last.time);
  return {*value, std::move(facts)};
}

// The names of a level: reported ones first, in their order, then those only desired.
std::vector<std::string> names_of(const Level& level) {
  std::vector<std::string> names;
  if (level.reported != nullptr && level.reported->is_object()) {
    for (const auto& [name, value] : members_of(*level.reported)) names.push_back(name);
  }
  if (level.desired != nullptr && level.desired->is_object()) {
    for (const auto& [name, value] : members_of(*level.desired)) {
      if (member_of(level.reported, name) == nullptr) names.push_back(name);
    }
  }
  std::erase(names, kMarker);
  return names;
}

Json component_of(const Level& component) {
  Json json = Json::object();
  Json metadata = Json::object();
  for (const std::string& name : names_of(component)) {
    auto [value, facts] = property_of(component.at(name));
    append_member(members_of(json), name, std::move(value));
    append_member(members_of(metadata), name, std::move(facts));
  }
  append_member(members_of(json), std::string(kMetadata), std::move(metadata));
  return json;
}

// ---- the patch

Error bad_patch(std::string sentence) { return {Errc::digital_twin_patch_invalid, std::move(sentence)}; }
Error bad_path(std::string sentence) { return {Errc::digital_twin_path_invalid, std::move(sentence)}; }

// The names in a JSON pointer of one or two levels.
Result<std::vector<std::string>> parse_path(const std::string& path) {
  if (path.empty() || path.front() != '/') return bad_path("a path begins with '/'");
  std::vector<std::string> names(1);
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (path[i] == '/') {
      names.emplace_back();
    } else if (path[i] == '~') {
      const char code = i + 1 < path.size() ? path[++i] : ' ';
      if (code != '0' && code != '1') return bad_path("'~' in a path is followed by 0 or 1");
      names.back() += code == '0' ? '~' : '/';
    } else {
      names.back() += path[i];
    }
  }
  if (names.size() > 2) return bad_path("a path names a property, or a component and its property");
  for (const std::string& name : names) {
    if (name.empty()) return bad_path("a name in a path is empty");
    if (name.front() == '$' || name == kMarker) return bad_path("a path names what cannot be written");
  }
  return names;
}

// A whole component is written with its $metadata, which may be empty; stored it carries the marker instead.
Json as_stored(Json value) {
  if (!value.is_object() || !value.contains(kMetadata)) return value;
  value.erase(std::string(kMetadata));
  Json component = Json::object();
  append_member(members_of(component), std::string(kMarker), "c");
  for (auto& [name, member] : members_of(value)) {
    if (name != kMarker) append_member(members_of(component), name, std::move(member));
  }
  return component;
}

// The merge patch that leaves exactly `to` where `from` was, and names all of `to`: a device that is told of
// it needs no memory of what it had.
Json replacing_patch(const Json* from, const Json& to) {
  if (from == nullptr || !from->is_object() || !to.is_object()) return to;
  Json patch = Json::object();
  for (const auto& [name, value] : members_of(to)) {
    append_member(members_of(patch), name, replacing_patch(member_of(from, name), value));
  }
  for (const auto& [name, value] : members_of(*from)) {
    if (!to.contains(name)) append_member(members_of(patch), name, nullptr);
  }
  return patch;
}

struct PatchStep {
  bool removes = false;
  std::vector<std::string> path;
  Json value;
};

Result<PatchStep> parse_step(Json& step) {
  if (!step.is_object()) return bad_patch("each operation is an object");
  const Json* op = find_member(step, "op");
  const Json* path = find_member(step, "path");
  Json* value = find_member(step, "value");
  if (op == nullptr || !op->is_string()) return bad_patch("an operation has no op");
  if (path == nullptr || !path->is_string()) return bad_path("an operation has no path");
  PatchStep result;
  result.removes = *op == "remove";
  if (!result.removes && *op != "add" && *op != "replace") {
    return bad_patch("op must be add, replace or remove");
  }
  Result<std::vector<std::string>> names = parse_path(path->get_ref<const std::string&>());
  if (!names) return names.error();
  result.path = std::move(*names);
  if (result.removes) return result;
  if (value == nullptr || value->is_null()) return bad_patch("an operation that writes has no value");
  result.value = as_stored(std::move(*value));
  return result;
}

Result<void> apply_step(PatchStep step, Json& desired, const Json& reported) {
  const std::string& first = step.path.front();
  if (step.path.size() == 1) {
    if (step.removes && !desired.contains(first) && !reported.contains(first)) {
      return bad_path("/" + first + " is not there to be removed");
    }
    if (step.removes) {
      desired.erase(first);
    } else {
      desired[first] = std::move(step.value);
    }
    return {};
  }
  const std::string& second = step.path.back();
  const Json* component = member_of(&desired, first);
  if (component != nullptr && !is_component(component)) return bad_path("/" + first + " is not a component");
  if (step.removes) {
    if (member_of(component, second) == nullptr &&
        member_of(member_of(&reported, first), second) == nullptr) {
      return bad_path("/" + first + "/" + second + " is not there to be removed");
    }
    if (component != nullptr) desired[first].erase(second);
    return {};
  }
  if (component == nullptr) desired[first] = Json{{kMarker, "c"}};
  desired[first][second] = std::move(step.value);
  return {};
}

// What the path has in `patch`: the new value over the old one, or null.
void write_path(const std::vector<std::string>& path, const Json& before, const Json& after, Json& patch) {
  const std::string& first = path.front();
  const Json* old_value = member_of(&before, first);
  const Json* new_value = member_of(&after, first);
  if (path.size() == 1 || new_value == nullptr || !is_component(old_value)) {
    patch[first] = new_value != nullptr ? replacing_patch(old_value, *new_value) : Json(nullptr);
    return;
  }
  Json& component = patch[first];
  if (!component.is_object()) component = Json{{kMarker, "c"}};
  const Json* property = member_of(new_value, path.back());
  component[path.back()] =
      property != nullptr ? replacing_patch(member_of(old_value, path.back()), *property) : Json(nullptr);
}

}  // namespace

Json digital_twin_document(const std::string& device, const std::string& model, const TwinDocument& twin) {
  const Level root{&twin.desired.values, &twin.reported.values,
                   twin.desired.metadata ? &*twin.desired.metadata : nullptr,
                   twin.reported.metadata ? &*twin.reported.metadata : nullptr};
  Json json;
  json["$dtId"] = device;
  Json metadata;
  metadata["$model"] = model;
  for (const std::string& name : names_of(root)) {
    const Level member = root.at(name);
    if (is_component(member.desired) || is_component(member.reported)) {
      append_member(members_of(json), name, component_of(member));
      continue;
    }
    auto [value, facts] = property_of(member);
    append_member(members_of(json), name, std::move(value));
    append_member(members_of(metadata), name, std::move(facts));
  }
  append_member(members_of(json), std::string(kMetadata), std::move(metadata));
  return json;
}

Result<Json> desired_patch_of_digital_twin(std::string_view body, const TwinDocument& twin) {
  Result<Json> steps = parse_json(body, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!steps) return steps.error();
  if (!steps->is_array()) return bad_patch("a JSON Patch is an array of operations");
  if (steps->size() > limits::kDigitalTwinStepsMax) return bad_patch("too many operations in one patch");
  Json after = twin.desired.values;
  std::vector<std::vector<std::string>> paths;
  for (Json& json : *steps) {
    Result<PatchStep> step = parse_step(json);
    if (!step) return step.error();
    paths.push_back(step->path);
    if (auto applied = apply_step(std::move(*step), after, twin.reported.values); !applied) {
      return applied.error();
    }
  }
  Json patch = Json::object();
  // Whole members last: they say all that a path below them could.
  std::stable_sort(paths.begin(), paths.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  for (const auto& path : paths) write_path(path, twin.desired.values, after, patch);
  if (auto checked = check_section(patch, TwinSection::desired, Nulls::delete_members); !checked) {
    return checked.error();
  }
  return patch;
}

}  // namespace kyanite
