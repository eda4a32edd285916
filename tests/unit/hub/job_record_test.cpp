#include "server/hub/job_record.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

JobRecord sample_job() {
  JobRecord job;
  job.id = "j-1";
  job.work = JobTwinUpdate{parse_json(R"({"a":null,"b":[1.50]})").value(), std::nullopt};
  job.condition = "tags.site = 'x'";
  job.created = WallTime(milliseconds(1'767'607'200'123));
  job.start = WallTime(milliseconds(1'767'607'201'000));
  job.execution_max = seconds(300);
  job.status = JobStatus::running;
  job.cursor = {"d7", "m"};
  job.counts = {5, 2};
  return job;
}

TEST(JobRecord, a_job_of_version_1_has_this_text) {
  EXPECT_EQ(
      encode_job(sample_job()),
      R"({"v":1,"id":"j-1","work":{"twin":{"tags":{"a":null,"b":[1.5]}}},"condition":"tags.site = 'x'",)"
      R"("created":1767607200123,"start":1767607201000,"started":0,"ended":0,"maxSeconds":300,)"
      R"("status":"running","failure":"","cursor":"d7","cursorModule":"m","succeeded":5,"failed":2})");
}

TEST(JobRecord, is_read_as_it_was_stored) {
  JobRecord job = sample_job();
  EXPECT_EQ(encode_job(decode_job(encode_job(job)).value()), encode_job(job));
  job.work = JobMethod{"m", R"({"a": 1.0})", milliseconds(5000), milliseconds(1000)};
  job.status = JobStatus::failed;
  job.failure = "why";
  EXPECT_EQ(encode_job(decode_job(encode_job(job)).value()), encode_job(job));
  EXPECT_EQ(std::get<JobMethod>(decode_job(encode_job(job))->work).payload, R"({"a": 1.0})");
}

TEST(JobRecord, what_is_damaged_or_newer_is_refused_and_what_is_added_is_ignored) {
  const std::string good = encode_job(sample_job());
  EXPECT_TRUE(decode_job("{\"more\":1," + good.substr(1)));
  EXPECT_FALSE(decode_job("{\"v\":2," + good.substr(7)));
  for (const char* bad : {"", "[]", "{}", R"({"v":1})", R"({"v":"1"})"}) EXPECT_FALSE(decode_job(bad)) << bad;
  EXPECT_FALSE(decode_job(good.substr(0, good.size() - 14) + "}"));
}

TEST(JobRecord, keys_of_modules_follow_their_device) {
  const std::vector<std::string> keys{job_device_key("j", {"a", {}}), job_device_key("j", {"a", "m"}),
                                      job_device_key("j", {"a", "~"}), job_device_key("j", {"a!", {}}),
                                      job_device_key("j", {"a-b", {}})};
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  for (const std::string& key : keys) EXPECT_TRUE(key.starts_with(job_device_prefix("j")));
}

TEST(JobRecord, R85_an_outcome_is_a_row_of_its_own_naming) {
  const JobRecord job = sample_job();
  JobDeviceRecord outcome{{"d", "m"}, job.start, job.start, {}, Error(Errc::device_not_online)};
  const std::string text = encode_job_device(job, outcome);
  EXPECT_EQ(
      dump_json(decode_job_device(text).value()),
      R"({"deviceId":"d","moduleId":"m","jobId":"j-1","jobType":"scheduleUpdateTwin","status":"failed",)"
      R"("startTimeUtc":"2026-01-05T10:00:01.0000000Z","endTimeUtc":"2026-01-05T10:00:01.0000000Z",)"
      R"("createdDateTimeUtc":"2026-01-05T10:00:00.1230000Z",)"
      R"("lastUpdatedDateTimeUtc":"2026-01-05T10:00:01.0000000Z",)"
      R"("error":{"code":"404103","description":)"
      R"("DeviceNotOnline: nothing is listening for methods on this device"}})");
  EXPECT_TRUE(read_job_outcome(text)->failed);
  EXPECT_EQ(read_job_outcome(text)->id, (Identity{"d", "m"}));
  outcome.error.reset();
  outcome.method = MethodResult{200, ""};
  EXPECT_EQ(dump_json(decode_job_device(encode_job_device(job, outcome)).value()["outcome"]),
            R"({"deviceMethodResponse":{"status":200,"payload":null}})");
  EXPECT_FALSE(read_job_outcome(encode_job_device(job, outcome))->failed);
}

}  // namespace
}  // namespace kyanite
