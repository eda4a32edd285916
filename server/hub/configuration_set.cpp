#include "server/hub/configuration_set.h"

#include <algorithm>
#include <tuple>

#include "protocol/query/query_evaluator.h"
#include "protocol/twin/twin_merge.h"

namespace kyanite {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Adds to `result` what it does not have yet; whether there was anything to add.
bool add_missing(Json& result, const Json& wanted) {
  bool added = false;
  for (const auto& [name, value] : members_of(wanted)) {
    const auto present = result.find(name);
    if (present == result.end()) {
      append_member(members_of(result), name, value);
      added = true;
    } else if (present->is_object() && value.is_object()) {
      added |= add_missing(*present, value);
    }
  }
  return added;
}

}  // namespace

ConfigurationSet::ConfigurationSet(const std::vector<ConfigurationRecord>& records) {
  std::vector<const ConfigurationRecord*> order;
  for (const ConfigurationRecord& record : records) order.push_back(&record);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::tie(a->priority, a->created, a->id) > std::tie(b->priority, b->created, b->id);
  });
  for (const ConfigurationRecord* record : order) {
    // All of it was judged when it was written.
    const Result<ConfigurationKind> kind = kind_of_content(record->content);
    if (!kind) continue;
    Result<std::optional<QueryCondition>> condition = parse_target_condition(record->target_condition, *kind);
    if (!condition || !*condition) continue;
    Member member{record->id, *kind, std::move(**condition), Json::object()};
    if (*kind != ConfigurationKind::edge) {
      const bool device = *kind == ConfigurationKind::device;
      member.desired =
          desired_of_content(*find_member(record->content, device ? "deviceContent" : "moduleContent"))
              .value();
    }
    (*kind == ConfigurationKind::module ? modules_ : devices_).push_back(std::move(member));
  }
}

ConfigurationSet::Verdict ConfigurationSet::judge(const Identity& id, bool is_edge, const Json& tags,
                                                  const Json& reported) const {
  Verdict verdict;
  const std::vector<Member>& members = id.is_module() ? modules_ : devices_;
  if (members.empty()) return verdict;
  Json row{{"deviceId", id.device}};
  if (id.is_module()) row["moduleId"] = id.module;
  row["tags"] = tags;
  row["properties"]["reported"] = reported;
  for (const Member& member : members) {
    if (member.kind == ConfigurationKind::edge && !is_edge) continue;
    if (member.condition.expression && !matches(*member.condition.expression, row)) continue;
    bool applied = false;
    if (member.kind == ConfigurationKind::edge) {
      applied = verdict.deployment.empty();
      if (applied) verdict.deployment = member.id;
    } else {
      applied = add_missing(verdict.desired, member.desired) || member.desired.empty();
    }
    verdict.statuses[member.id] = Json{{"status", applied ? "Applied" : "Targeted"}};
  }
  return verdict;
}

Result<std::optional<QueryCondition>> parse_target_condition(std::string_view text, ConfigurationKind kind) {
  if (text.find_first_not_of(kBlanks) == std::string_view::npos) return std::optional<QueryCondition>();
  Result<QueryCondition> condition = parse_condition(text);
  if (!condition) return Error(Errc::configuration_condition_invalid, condition.error().detail);
  const bool of_modules = condition->source == QuerySource::modules;
  if (of_modules != (kind == ConfigurationKind::module)) {
    return Error(
        Errc::configuration_condition_invalid,
        "the condition of moduleContent, and of nothing else, begins with FROM devices.modules WHERE");
  }
  if (of_modules && !condition->expression) {
    return Error(Errc::configuration_condition_invalid, "* is for devices alone");
  }
  return std::optional<QueryCondition>(std::move(*condition));
}

Json missing_properties(const Json& current, const Json& wanted) {
  Json missing = Json::object();
  for (const auto& [name, value] : members_of(wanted)) {
    const auto present = current.find(name);
    if (present == current.end()) {
      append_member(members_of(missing), name, value);
    } else if (present->is_object() && value.is_object()) {
      Json below = missing_properties(*present, value);
      if (!below.empty()) append_member(members_of(missing), name, std::move(below));
    } else if (!same_json(*present, value)) {
      append_member(members_of(missing), name, value);
    }
  }
  return missing;
}

}  // namespace kyanite
