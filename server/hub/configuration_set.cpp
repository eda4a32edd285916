#include "server/hub/configuration_set.h"

#include <algorithm>
#include <tuple>

#include "protocol/query/query_evaluator.h"
#include "protocol/twin/twin_merge.h"

namespace kyanite {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

Json status_of(bool applied) { return Json{{"status", applied ? "Applied" : "Targeted"}}; }

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
    Member member;
    member.author =
        std::make_shared<const TwinAuthor>(TwinAuthor{record->id, content_digest(record->content)});
    member.kind = *kind;
    member.condition = std::move(**condition);
    member.desired = Json::object();
    if (*kind == ConfigurationKind::edge) {
      member.is_layer = is_layer(record->content);
    } else {
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
  Json desired = Json::object();
  std::vector<const Member*> deployments;
  for (const Member& member : members) {
    if (member.kind == ConfigurationKind::edge && !is_edge) continue;
    if (member.condition.expression && !matches(*member.condition.expression, row)) continue;
    if (member.kind == ConfigurationKind::edge) {
      deployments.push_back(&member);
      continue;
    }
    Json added = add_missing(desired, member.desired);
    verdict.statuses[member.author->id] = status_of(!added.empty() || member.desired.empty());
    if (!added.empty()) verdict.contributions.push_back({member.author, std::move(added)});
  }
  judge_deployments(deployments, verdict);
  return verdict;
}

void ConfigurationSet::judge_deployments(const std::vector<const Member*>& deployments,
                                         Verdict& verdict) const {
  const auto base = std::find_if(deployments.begin(), deployments.end(),
                                 [](const Member* member) { return !member->is_layer; });
  for (auto member = deployments.begin(); member != deployments.end(); ++member) {
    const std::string& id = (*member)->author->id;
    const bool applied = base != deployments.end() && member <= base;
    verdict.deployment_statuses[id] = status_of(applied);
    if (applied) verdict.deployments.insert(verdict.deployments.begin(), id);
  }
  verdict.statuses.update(verdict.deployment_statuses);
}

bool ConfigurationSet::has_deployment(std::string_view id) const {
  return std::any_of(devices_.begin(), devices_.end(), [id](const Member& member) {
    return member.kind == ConfigurationKind::edge && member.author->id == id;
  });
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

}  // namespace kyanite
