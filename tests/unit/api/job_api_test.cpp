#include <gtest/gtest.h>

#include "server/api/job_json.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

constexpr WallTime kJobNow{seconds{1'767'607'200}};  // 2026-01-05T10:00:00Z

std::string fault(const std::string& body, const std::string& id = "j") {
  const Result<JobRecord> job = parse_job(body, id, kJobNow);
  return job ? "accepted" : job.error().detail;
}
std::string twin_body(const std::string& more) {
  return R"({"type":"scheduleUpdateTwin","updateTwin":{"tags":{"a":1}},"queryCondition":"*")" + more + "}";
}

TEST(JobBody, R103_names_and_types_ignore_case_and_the_etag_is_a_star_or_none) {
  EXPECT_EQ(fault(R"({"JobId":"j","TYPE":"ScheduleUpdateTwin","UpdateTwin":{"ETag":"\"*\"","tags":null},)"
                  R"("QueryCondition":"*","startTime":"","maxExecutionTimeInSeconds":null})"),
            "accepted");
  EXPECT_EQ(fault(R"({"type":"scheduleUpdateTwin","updateTwin":{"etag":"abc"},"queryCondition":"*"})"),
            "updateTwin.etag must be *");
}

TEST(JobBody, the_start_may_have_any_zone_or_none_and_is_at_most_a_week_ahead) {
  const auto start = [](const char* text) {
    return parse_job(twin_body(std::string(R"(,"startTime":")") + text + '"'), "j", kJobNow)->start - kJobNow;
  };
  EXPECT_EQ(start("2026-01-05T12:00:00Z"), seconds(7200));
  EXPECT_EQ(start("2026-01-05T12:00:00.1234567Z"), milliseconds(7'200'123));
  EXPECT_EQ(start("2026-01-05T12:00:00+01:00"), seconds(3600));
  EXPECT_EQ(start("2026-01-05T12:00:00"), seconds(7200));
  EXPECT_EQ(start("0001-01-01T00:00:00"), kNever - kJobNow);
  EXPECT_EQ(fault(twin_body(R"(,"startTime":"2026-01-12T10:00:00Z")")), "accepted");
  EXPECT_EQ(fault(twin_body(R"(,"startTime":"2026-01-12T10:00:01Z")")),
            "startTime is more than 168 hours ahead");
  EXPECT_EQ(fault(twin_body(R"(,"startTime":"soon")")), "startTime must be an ISO 8601 date and time");
}

TEST(JobBody, the_time_has_a_default) {
  const auto time = [](const char* more) { return parse_job(twin_body(more), "j", kJobNow)->execution_max; };
  EXPECT_EQ(time(""), seconds(3600));
  EXPECT_EQ(time(R"(,"maxExecutionTimeInSeconds":0)"), seconds(3600));
  EXPECT_EQ(time(R"(,"maxExecutionTimeInSeconds":5)"), seconds(5));
  EXPECT_NE(fault(twin_body(R"(,"maxExecutionTimeInSeconds":-1)")), "accepted");
  EXPECT_NE(fault(twin_body(R"(,"maxExecutionTimeInSeconds":1.5)")), "accepted");
}

TEST(JobBody, the_payload_of_a_method_stays_as_it_was_written) {
  const Result<JobRecord> job =
      parse_job(R"({"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":)"
                R"({"methodName":"m","payload":{"a": 1.50},"responseTimeoutInSeconds":7}})",
                "j", kJobNow);
  ASSERT_TRUE(job);
  const auto& method = std::get<JobMethod>(job->work);
  EXPECT_EQ(method.payload, R"({"a": 1.50})");
  EXPECT_EQ(method.response_timeout, seconds(7));
}

TEST(JobBody, what_is_missing_or_too_much_is_told) {
  EXPECT_EQ(fault("{}"), "queryCondition is missing");
  EXPECT_EQ(fault(R"({"queryCondition":"*"})"), "type must be scheduleUpdateTwin or scheduleDeviceMethod");
  EXPECT_EQ(fault(R"({"queryCondition":"*","type":"scheduleUpdateTwin"})"), "updateTwin is missing");
  EXPECT_EQ(fault(R"({"queryCondition":"*","type":"scheduleDeviceMethod"})"),
            "cloudToDeviceMethod is missing");
  EXPECT_EQ(fault(twin_body(R"(,"jobId":"other")")), "jobId in the body differs from the one in the path");
  EXPECT_EQ(fault(twin_body(R"(,"queryCondition":")" + std::string(8193, 'x') + '"')),
            "queryCondition is too long");
  EXPECT_NE(fault(twin_body(""), "a b"), "accepted");
  EXPECT_NE(fault(twin_body(""), std::string(65, 'a')), "accepted");
  EXPECT_EQ(fault(twin_body(""), "Az09-_."), "accepted");
}

TEST(JobApi, R104_R105_the_documents_of_jobs) {
  RestHub rest;
  rest.hub.add(device("d1"));
  const RestAnswer made = rest.put("/jobs/v2/j", twin_body(R"(,"maxExecutionTimeInSeconds":60)"));
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(made.body,
            R"({"jobId":"j","queryCondition":"*","createdTime":"2026-01-05T10:00:00.0000000Z",)"
            R"("startTime":"2026-01-05T10:00:00.0000000Z","maxExecutionTimeInSeconds":60,)"
            R"("type":"scheduleUpdateTwin","updateTwin":{"etag":"*","tags":{"a":1}},"status":"queued",)"
            R"("deviceJobStatistics":{"deviceCount":0,"failedCount":0,"succeededCount":0,"runningCount":0,)"
            R"("pendingCount":0}})");
  const RestAnswer ended = rest.get("/jobs/v2/j");
  EXPECT_EQ(ended.json["status"], "completed");
  EXPECT_EQ(ended.json["endTime"], "2026-01-05T10:00:00.0000000Z");
  EXPECT_EQ(ended.json["deviceJobStatistics"]["succeededCount"], 1);
  const RestAnswer list = rest.get("/jobs/v2/query?jobType=ScheduleUpdateTwin");
  EXPECT_EQ(list.headers.at("x-ms-item-type"), "JobResponse");
  EXPECT_EQ(list.headers.count("x-ms-continuation"), 0u);
  ASSERT_EQ(list.json.size(), 1u);
  EXPECT_EQ(list.json[0], ended.json);
  EXPECT_EQ(rest.get("/jobs/v2/none").body, R"({"jobId":"none","type":"unknown","status":"unknown"})");
  EXPECT_EQ(rest.put("/jobs/v2/j", twin_body("")).error_name(), "JobAlreadyExists");
  EXPECT_EQ(rest.ask({"POST", "/jobs/v2/j/cancel", {}, {}}).error_name(),
            "OperationNotAllowedInCurrentState");
  EXPECT_EQ(rest.ask({"POST", "/jobs/v2/none/cancel", {}, {}}).error_name(), "JobNotFound");
  EXPECT_EQ(rest.ask({"GET", "/jobs/v2/j", {}, {}, "registryReadWrite"}).status, 401);
}

TEST(JobApi, R105_a_list_comes_in_pages_of_one_to_a_thousand) {
  RestHub rest;
  for (const char* id : {"a", "b", "c"})
    ASSERT_EQ(rest.put(std::string("/jobs/v2/") + id, twin_body("")).status, 200);
  const auto page = [&rest](const char* size, const std::string& token) {
    return rest.ask(
        {"GET", "/jobs/v2/query", {}, {{"x-ms-max-item-count", size}, {"x-ms-continuation", token}}});
  };
  const RestAnswer first = page("2", "");
  EXPECT_EQ(first.json.size(), 2u);
  const RestAnswer second = page("2", first.headers.at("x-ms-continuation"));
  EXPECT_EQ(second.json.size(), 1u);
  EXPECT_EQ(second.headers.count("x-ms-continuation"), 0u);
  EXPECT_EQ(page("0", "").json.size(), 1u);
  EXPECT_EQ(page("-1", "").json.size(), 1u);
  EXPECT_EQ(page("5000", "").json.size(), 3u);
  EXPECT_EQ(page("two", "").error_name(), "ArgumentInvalid");
  EXPECT_EQ(page("2", "x").error_name(), "ArgumentInvalid");
}

}  // namespace
}  // namespace kyanite::test
