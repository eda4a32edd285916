#include "server/api/configuration_json.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kModuleSource = "devices.modules";

Error bad_configuration(std::string sentence) { return {Errc::argument_invalid, std::move(sentence)}; }

const Json* given(const Json& object, std::string_view name) {
  const Json* member = find_member(object, name);
  return member != nullptr && !member->is_null() ? member : nullptr;
}

Result<std::string> given_text(const Json& object, std::string_view name) {
  const Json* member = given(object, name);
  if (member == nullptr) return std::string();
  if (!member->is_string()) return bad_configuration(std::string(name) + " must be a text");
  return member->get<std::string>();
}

Result<Json> given_texts(const Json& object, std::string_view name) {
  const Json* member = given(object, name);
  if (member == nullptr) return Json::object();
  const bool good = member->is_object() && std::all_of(member->begin(), member->end(),
                                                       [](const Json& value) { return value.is_string(); });
  if (!good) return bad_configuration(std::string(name) + " must be an object of texts");
  return *member;
}

// A metric finds twins.
Result<void> check_metric(const std::string& query) {
  const Result<Query> parsed = parse_query(query);
  if (!parsed) return Error(Errc::configuration_metrics_invalid, parsed.error().detail);
  if (parsed->source == QuerySource::device_jobs) {
    return Error(Errc::configuration_metrics_invalid, "a metric is a query of devices or devices.modules");
  }
  return {};
}

Result<void> read_metrics(const Json& body, ConfigurationRecord& into) {
  const Json* metrics = given(body, "metrics");
  if (metrics == nullptr) return {};
  if (!metrics->is_object()) return bad_configuration("metrics must be an object");
  const Result<Json> queries = given_texts(*metrics, "queries");
  if (!queries) return queries.error();
  if (queries->size() > limits::kConfigurationMetricsMax) {
    return Error(Errc::configuration_metrics_invalid, "a configuration has at most 5 metrics");
  }
  for (const auto& [name, query] : members_of(*queries)) {
    auto text = query.get<std::string>();
    if (auto checked = check_metric(text); !checked) return checked;
    into.metrics.emplace_back(name, std::move(text));
  }
  return {};
}

std::string status_query(const ConfigurationRecord& record, bool modules) {
  return std::string(modules ? "select deviceId, moduleId from devices.modules"
                             : "select deviceId from devices") +
         " where configurations.[[" + record.id + "]].status = 'Applied'";
}

// The query that finds what the configuration is for.
std::string target_query(const ConfigurationRecord& record, ConfigurationKind kind) {
  if (kind == ConfigurationKind::module) return "select deviceId, moduleId " + record.target_condition;
  std::string query = "select deviceId from devices";
  const bool all = record.target_condition == "*";
  if (kind == ConfigurationKind::edge) {
    query += " where capabilities.iotEdge = true";
    return all ? query : query + " and (" + record.target_condition + ")";
  }
  return all ? query : query + " where " + record.target_condition;
}

}  // namespace

bool is_valid_configuration_id(std::string_view id) {
  constexpr std::string_view kSigns = "-+%_*!'";
  return !id.empty() && id.size() <= limits::kIdBytesMax && std::all_of(id.begin(), id.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || kSigns.find(c) != std::string_view::npos;
  });
}

Result<ConfigurationRecord> parse_configuration(std::string_view body, const std::string& id) {
  if (!is_valid_configuration_id(id)) {
    return bad_configuration(
        "a configuration ID has 1 to 128 lower-case letters, digits and characters of -+%_*!'");
  }
  Result<Json> json = parse_json(body, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!json) return json.error();
  if (!json->is_object()) return bad_configuration("the body must be a JSON object");
  const Result<std::string> body_id = given_text(*json, "id");
  if (!body_id) return body_id.error();
  if (!body_id->empty() && *body_id != id) {
    return bad_configuration("id in the body differs from the one in the path");
  }
  Result<std::string> version = given_text(*json, "schemaVersion");
  if (!version) return version.error();
  Result<Json> labels = given_texts(*json, "labels");
  if (!labels) return labels.error();
  Result<std::string> condition = given_text(*json, "targetCondition");
  if (!condition) return condition.error();
  if (condition->size() > limits::kJobConditionBytesMax) {
    return Error(Errc::configuration_condition_invalid, "the condition is too long");
  }
  const Json* content = given(*json, "content");
  if (content == nullptr || !content->is_object()) {
    return Error(Errc::configuration_content_invalid, "content is missing");
  }
  const Result<ConfigurationKind> kind = kind_of_content(*content);
  if (!kind) return kind.error();
  if (auto parsed = parse_target_condition(*condition, *kind); !parsed) return parsed.error();
  ConfigurationRecord record;
  if (const Json* priority = given(*json, "priority")) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
    const bool whole = priority->is_number_integer();
    const auto value = whole ? priority->get<std::int64_t>() : 0;
    if (!whole || value < -kMax || value > kMax) return bad_configuration("priority must be a whole number");
    record.priority = value;
  }
  if (auto metrics = read_metrics(*json, record); !metrics) return metrics.error();
  record.id = id;
  record.schema_version = version->empty() ? "1.0" : std::move(*version);
  record.labels = std::move(*labels);
  record.content = *content;
  record.target_condition = std::move(*condition);
  return record;
}

Json configuration_to_json(const ConfigurationView& view) {
  const ConfigurationRecord& record = view.record;
  const Result<ConfigurationKind> kind = kind_of_content(record.content);
  const bool modules = kind && *kind == ConfigurationKind::module;
  const bool edge = kind && *kind == ConfigurationKind::edge;
  Json results = Json::object(), queries = Json::object();
  for (const auto& [name, query] : record.metrics) {
    queries[name] = query;
    if (!view.counts) continue;
    const auto counted = view.counts->metrics.find(name);
    if (counted != view.counts->metrics.end()) results[name] = counted->second;
  }
  Json json{{"id", record.id},
            {"schemaVersion", record.schema_version},
            {"labels", record.labels},
            {"content", record.content},
            {"targetCondition", record.target_condition},
            {"createdTimeUtc", to_iso_time(record.created)},
            {"lastUpdatedTimeUtc", to_iso_time(record.updated)},
            {"priority", record.priority}};
  json["systemMetrics"]["results"] = Json::object();
  if (view.counts) {
    json["systemMetrics"]["results"] = {{"targetedCount", view.counts->targeted},
                                        {"appliedCount", view.counts->applied}};
    if (edge) {
      json["systemMetrics"]["results"]["reportedSuccessfulCount"] = view.counts->reported_successful;
      json["systemMetrics"]["results"]["reportedFailedCount"] = view.counts->reported_failed;
    }
  }
  Json& system = json["systemMetrics"]["queries"];
  system = Json::object();
  if (kind && !record.target_condition.empty()) system["targetedCount"] = target_query(record, *kind);
  system["appliedCount"] = status_query(record, modules);
  if (edge) {
    system["reportedSuccessfulCount"] = reported_query(record.id, true);
    system["reportedFailedCount"] = reported_query(record.id, false);
  }
  json["metrics"] = Json{{"results", std::move(results)}, {"queries", std::move(queries)}};
  json["etag"] = configuration_etag(record);
  return json;
}

Result<Json> test_configuration(std::string_view body) {
  const Result<Json> json = parse_json(body);
  if (!json) return json.error();
  if (!json->is_object()) return bad_configuration("the body must be a JSON object");
  const Result<std::string> condition = given_text(*json, "targetCondition");
  if (!condition) return condition.error();
  const Result<Json> queries = given_texts(*json, "customMetricQueries");
  if (!queries) return queries.error();
  Json answer{{"targetConditionError", nullptr}};
  const bool modules = to_lower_ascii(*condition).find(kModuleSource) != std::string::npos;
  const auto parsed =
      parse_target_condition(*condition, modules ? ConfigurationKind::module : ConfigurationKind::device);
  if (!parsed) answer["targetConditionError"] = parsed.error().detail;
  Json& errors = answer["customMetricQueryErrors"] = Json::object();
  for (const auto& [name, query] : members_of(*queries)) {
    if (auto checked = check_metric(query.get<std::string>()); !checked)
      errors[name] = checked.error().detail;
  }
  return answer;
}

}  // namespace kyanite
