#include "server/api/job_json.h"

#include <algorithm>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/twin/twin_request.h"
#include "server/api/c2d_request.h"
#include "server/api/method_api.h"

namespace kyanite {
namespace {

Error bad_job(std::string sentence) { return {Errc::argument_invalid, std::move(sentence)}; }

// The text of a member; nothing when it is absent or null.
std::optional<std::string_view> job_member(const std::vector<JsonMember>& members, std::string_view name) {
  std::optional<std::string_view> found;
  for (const JsonMember& member : members) {
    if (equals_ignoring_case(member.name, name)) found = member.value;
  }
  return found == "null" ? std::nullopt : found;
}

Result<std::string> job_text(const std::vector<JsonMember>& members, std::string_view name) {
  const auto text = job_member(members, name);
  if (!text) return std::string();
  const Result<Json> json = parse_json(*text);
  if (!json || !json->is_string()) return bad_job(std::string(name) + " must be a text");
  return json->get<std::string>();
}

// SDKs write the time with a zone or, like Python, without one for UTC; C# writes the year 1 for none.
Result<WallTime> job_start(const std::vector<JsonMember>& members, WallTime now) {
  const Result<std::string> text = job_text(members, "startTime");
  if (!text) return text.error();
  if (text->empty() || text->starts_with("0001-")) return kNever;
  auto start = parse_expiry(*text);
  if (!start) start = parse_expiry(*text + "Z");
  if (!start) return bad_job("startTime must be an ISO 8601 date and time");
  if (*start > now + limits::kJobAheadMax) {
    return bad_job("startTime is more than 168 hours ahead");
  }
  return *start;
}

Result<seconds> job_time(const std::vector<JsonMember>& members) {
  constexpr std::int64_t kDefault = 3600;
  constexpr std::int64_t kMax = 30 * 24 * 3600;
  const auto text = job_member(members, "maxExecutionTimeInSeconds");
  if (!text) return seconds(kDefault);
  const Result<Json> json = parse_json(*text);
  if (!json || !json->is_number_integer()) {
    return bad_job("maxExecutionTimeInSeconds must be a whole number");
  }
  const auto value = json->get<std::int64_t>();
  if (value < 0 || value > kMax) return bad_job("maxExecutionTimeInSeconds must be from 1 to 2592000");
  return seconds(value == 0 ? kDefault : value);
}

Result<JobWork> job_twin_update(std::string_view text) {
  const auto members = split_json_object(text);
  if (!members) return bad_job("updateTwin must be an object");
  const Result<std::string> etag = job_text(*members, "etag");
  if (!etag) return etag.error();
  if (!etag->empty() && *etag != "*" && *etag != "\"*\"") return bad_job("updateTwin.etag must be *");
  Result<TwinSections> sections = parse_twin_request(text, Nulls::delete_members);
  if (!sections) return sections.error();
  return JobWork(JobTwinUpdate{std::move(sections->tags), std::move(sections->desired)});
}

Result<JobWork> job_method(std::string_view text) {
  Result<InvokeMethod> invoke = parse_method_body(text);
  if (!invoke) return invoke.error();
  return JobWork(JobMethod{std::move(invoke->method), std::move(invoke->payload), invoke->response_timeout,
                           invoke->connect_timeout});
}

Result<JobWork> job_work(const std::vector<JsonMember>& members) {
  const Result<std::string> type = job_text(members, "type");
  if (!type) return type.error();
  if (equals_ignoring_case(*type, "scheduleUpdateTwin")) {
    const auto update = job_member(members, "updateTwin");
    if (!update) return bad_job("updateTwin is missing");
    return job_twin_update(*update);
  }
  if (equals_ignoring_case(*type, "scheduleDeviceMethod")) {
    const auto method = job_member(members, "cloudToDeviceMethod");
    if (!method) return bad_job("cloudToDeviceMethod is missing");
    return job_method(*method);
  }
  return bad_job("type must be scheduleUpdateTwin or scheduleDeviceMethod");
}

}  // namespace

bool is_valid_job_id(std::string_view id) {
  return !id.empty() && id.size() <= limits::kJobIdBytesMax && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Result<JobRecord> parse_job(std::string_view body, const std::string& id, WallTime now) {
  if (!is_valid_job_id(id)) {
    return bad_job("a job ID has 1 to 64 letters, digits, hyphens, underscores and dots");
  }
  const auto members = split_json_object(body);
  if (!members) return Error(Errc::format_error, "the body is " + members.error().detail);
  const Result<std::string> body_id = job_text(*members, "jobId");
  if (!body_id) return body_id.error();
  if (!body_id->empty() && *body_id != id)
    return bad_job("jobId in the body differs from the one in the path");
  Result<std::string> condition = job_text(*members, "queryCondition");
  if (!condition) return condition.error();
  if (condition->empty()) return bad_job("queryCondition is missing");
  if (condition->size() > limits::kJobConditionBytesMax) return bad_job("queryCondition is too long");
  const Result<WallTime> start = job_start(*members, now);
  if (!start) return start.error();
  const Result<seconds> time = job_time(*members);
  if (!time) return time.error();
  Result<JobWork> work = job_work(*members);
  if (!work) return work.error();
  JobRecord job;
  job.id = id;
  job.work = std::move(*work);
  job.condition = std::move(*condition);
  job.start = *start;
  job.execution_max = *time;
  return job;
}

Json job_to_json(const JobView& view) {
  const JobRecord& job = view.job;
  Json json{{"jobId", job.id},
            {"queryCondition", job.condition},
            {"createdTime", to_iso_time(job.created)},
            {"startTime", to_iso_time(job.start)}};
  if (job.ended != kNever) json["endTime"] = to_iso_time(job.ended);
  json["maxExecutionTimeInSeconds"] = job.execution_max.count();
  json["type"] = job.type();
  json.update(job_work_json(job.work));
  json["status"] = job_status_text(job.status);
  if (!job.failure.empty()) {
    json["failureReason"] = job.failure;
    json["statusMessage"] = job.failure;
  }
  json["deviceJobStatistics"] = {
      {"deviceCount", job.counts.succeeded + job.counts.failed + view.running + view.pending},
      {"failedCount", job.counts.failed},
      {"succeededCount", job.counts.succeeded},
      {"runningCount", view.running},
      {"pendingCount", view.pending}};
  return json;
}

Result<JobFilter> parse_job_filter(std::optional<std::string_view> type,
                                   std::optional<std::string_view> status) {
  JobFilter filter;
  if (type && !type->empty()) filter.type = std::string(*type);
  if (!status || status->empty()) return filter;
  filter.status = parse_job_status(*status);
  if (filter.status) return filter;
  if (equals_ignoring_case(*status, "enqueued")) {
    filter.status = JobStatus::queued;
    return filter;
  }
  return bad_job("jobStatus must be scheduled, queued, running, completed, failed or cancelled");
}

}  // namespace kyanite
