#include "server/hub/job_record.h"

#include <array>

#include "protocol/base/error_catalog.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kJobVersion = 1;
constexpr std::array<std::string_view, 6> kStatusTexts{"scheduled", "queued", "running",
                                                       "completed", "failed", "cancelled"};
// Ids hold neither.
constexpr char kAfterJob = '/';
constexpr char kBeforeModule = '\0';

Error damaged_job(std::string_view why) { return {Errc::storage_failed, "job record: " + std::string(why)}; }

std::int64_t count_of(WallTime time) { return time.time_since_epoch().count(); }

// Reads members and remembers whether one was missing or of another type.
struct JobMembers {
  const Json& object;
  bool ok = true;

  const Json* find(const char* name) {
    const auto found = object.find(name);
    if (found != object.end()) return &*found;
    ok = false;
    return nullptr;
  }
  std::string text(const char* name) {
    const Json* value = find(name);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    ok = false;
    return {};
  }
  std::int64_t number(const char* name) {
    const Json* value = find(name);
    if (value != nullptr && value->is_number_integer()) return value->get<std::int64_t>();
    ok = false;
    return 0;
  }
  WallTime time(const char* name) { return WallTime(milliseconds(number(name))); }
};

Json work_to_stored(const JobWork& work) {
  Json json = Json::object();
  if (const auto* update = std::get_if<JobTwinUpdate>(&work)) {
    if (update->tags) json["tags"] = *update->tags;
    if (update->desired) json["desired"] = *update->desired;
    return Json{{"twin", std::move(json)}};
  }
  const auto& method = std::get<JobMethod>(work);
  json["name"] = method.method;
  if (method.payload) json["payload"] = *method.payload;  // text, as it was written
  json["responseMs"] = method.response_timeout.count();
  json["connectMs"] = method.connect_timeout.count();
  return Json{{"method", std::move(json)}};
}

std::optional<JobWork> work_from_stored(const Json& stored) {
  if (!stored.is_object()) return std::nullopt;
  if (const auto twin = stored.find("twin"); twin != stored.end() && twin->is_object()) {
    JobTwinUpdate update;
    if (twin->contains("tags")) update.tags = twin->at("tags");
    if (twin->contains("desired")) update.desired = twin->at("desired");
    return JobWork(std::move(update));
  }
  const auto found = stored.find("method");
  if (found == stored.end() || !found->is_object()) return std::nullopt;
  JobMembers members{*found};
  JobMethod method;
  method.method = members.text("name");
  if (found->contains("payload")) method.payload = members.text("payload");
  method.response_timeout = milliseconds(members.number("responseMs"));
  method.connect_timeout = milliseconds(members.number("connectMs"));
  if (!members.ok) return std::nullopt;
  return JobWork(std::move(method));
}

Result<Json> stored_job_object(std::string_view text) {
  Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return damaged_job("not a JSON object");
  const auto version = json->find("v");
  if (version == json->end() || !version->is_number_unsigned()) return damaged_job("it has no version");
  if (version->get<std::uint64_t>() > kJobVersion) return damaged_job("written by a newer program");
  return json;
}

}  // namespace

std::string_view job_status_text(JobStatus status) { return kStatusTexts[static_cast<std::size_t>(status)]; }

std::optional<JobStatus> parse_job_status(std::string_view text) {
  for (std::size_t i = 0; i < kStatusTexts.size(); ++i) {
    if (equals_ignoring_case(text, kStatusTexts[i])) return static_cast<JobStatus>(i);
  }
  return std::nullopt;
}

std::string_view JobRecord::type() const {
  return std::holds_alternative<JobTwinUpdate>(work) ? "scheduleUpdateTwin" : "scheduleDeviceMethod";
}

Json job_work_json(const JobWork& work) {
  Json json = Json::object();
  if (const auto* update = std::get_if<JobTwinUpdate>(&work)) {
    json["etag"] = "*";
    if (update->tags) json["tags"] = *update->tags;
    if (update->desired) json["properties"]["desired"] = *update->desired;
    return Json{{"updateTwin", std::move(json)}};
  }
  const auto& method = std::get<JobMethod>(work);
  json["methodName"] = method.method;
  Result<Json> payload = method.payload ? parse_json(*method.payload) : Result<Json>(Json(nullptr));
  json["payload"] = payload ? std::move(*payload) : Json(nullptr);
  json["responseTimeoutInSeconds"] = std::chrono::duration_cast<seconds>(method.response_timeout).count();
  json["connectTimeoutInSeconds"] = std::chrono::duration_cast<seconds>(method.connect_timeout).count();
  return Json{{"cloudToDeviceMethod", std::move(json)}};
}

std::string encode_job(const JobRecord& job) {
  return dump_json(Json{{"v", kJobVersion},
                        {"id", job.id},
                        {"work", work_to_stored(job.work)},
                        {"condition", job.condition},
                        {"created", count_of(job.created)},
                        {"start", count_of(job.start)},
                        {"started", count_of(job.started)},
                        {"ended", count_of(job.ended)},
                        {"maxSeconds", job.execution_max.count()},
                        {"status", job_status_text(job.status)},
                        {"failure", job.failure},
                        {"cursor", job.cursor.device},
                        {"cursorModule", job.cursor.module},
                        {"succeeded", job.counts.succeeded},
                        {"failed", job.counts.failed}});
}

Result<JobRecord> decode_job(std::string_view text) {
  const Result<Json> json = stored_job_object(text);
  if (!json) return json.error();
  JobMembers members{*json};
  JobRecord job;
  job.id = members.text("id");
  const Json* work = members.find("work");
  const std::optional<JobWork> decoded = work != nullptr ? work_from_stored(*work) : std::nullopt;
  const std::optional<JobStatus> status = parse_job_status(members.text("status"));
  job.condition = members.text("condition");
  job.created = members.time("created");
  job.start = members.time("start");
  job.started = members.time("started");
  job.ended = members.time("ended");
  job.execution_max = seconds(members.number("maxSeconds"));
  job.failure = members.text("failure");
  job.cursor.device = members.text("cursor");
  if (json->contains("cursorModule")) job.cursor.module = members.text("cursorModule");
  job.counts.succeeded = static_cast<std::uint64_t>(members.number("succeeded"));
  job.counts.failed = static_cast<std::uint64_t>(members.number("failed"));
  if (!members.ok || !decoded || !status) return damaged_job("a member is missing or of another type");
  job.work = *decoded;
  job.status = *status;
  return job;
}

std::string job_device_prefix(std::string_view job) { return std::string(job) + kAfterJob; }

std::string job_device_key(std::string_view job, const Identity& id) {
  std::string key = job_device_prefix(job) + id.device;
  if (id.is_module()) key += kBeforeModule + id.module;
  return key;
}

std::string encode_job_device(const JobRecord& job, const JobDeviceRecord& outcome) {
  Json row{{"v", kJobVersion}, {"deviceId", outcome.id.device}};
  if (outcome.id.is_module()) row["moduleId"] = outcome.id.module;
  row["jobId"] = job.id;
  row["jobType"] = job.type();
  row["status"] = outcome.error ? "failed" : "completed";
  row["startTimeUtc"] = to_iso_time(outcome.started);
  row["endTimeUtc"] = to_iso_time(outcome.ended);
  row["createdDateTimeUtc"] = to_iso_time(job.created);
  row["lastUpdatedDateTimeUtc"] = to_iso_time(outcome.ended);
  if (outcome.error) {
    const ErrorRow& error = error_row(outcome.error->code);
    row["error"] = {
        {"code", std::to_string(error.number)},
        {"description", outcome.error->detail.empty() ? std::string(error.text) : outcome.error->detail}};
  } else if (outcome.method) {
    Result<Json> payload = parse_json(outcome.method->payload);
    row["outcome"] = {
        {"deviceMethodResponse",
         {{"status", outcome.method->status}, {"payload", payload ? std::move(*payload) : Json(nullptr)}}}};
  }
  return dump_json(row);
}

Result<Json> decode_job_device(std::string_view text) {
  Result<Json> row = stored_job_object(text);
  if (row) row->erase("v");
  return row;
}

Result<JobDeviceOutcome> read_job_outcome(std::string_view text) {
  const Result<Json> row = stored_job_object(text);
  if (!row) return row.error();
  JobMembers members{*row};
  JobDeviceOutcome outcome;
  outcome.id.device = members.text("deviceId");
  if (row->contains("moduleId")) outcome.id.module = members.text("moduleId");
  outcome.failed = row->contains("error");
  if (!members.ok) return damaged_job("an outcome names no device");
  return outcome;
}

}  // namespace kyanite
