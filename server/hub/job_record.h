#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/base/json_limits.h"
#include "protocol/base/time.h"
#include "server/hub/device_messages.h"

// Scheduled jobs as they are stored (spec service-rest.md 9.1): a job in Collection::jobs under its id, the
// outcome for one device in Collection::job_devices under job_device_key().
namespace kyanite {

enum class JobStatus : std::uint8_t { scheduled, queued, running, completed, failed, cancelled };
constexpr bool is_over(JobStatus status) { return status > JobStatus::running; }
std::string_view job_status_text(JobStatus status);
std::optional<JobStatus> parse_job_status(std::string_view text);  // in any case

// What the job does with each device. Null leaves of sections delete.
struct JobTwinUpdate {
  std::optional<Json> tags;
  std::optional<Json> desired;
};
struct JobMethod {
  std::string method;
  std::optional<std::string> payload;  // JSON text
  milliseconds response_timeout{30'000};
  milliseconds connect_timeout{0};
};
using JobWork = std::variant<JobTwinUpdate, JobMethod>;

struct JobCounts {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  friend bool operator==(const JobCounts&, const JobCounts&) = default;
};

struct JobRecord {
  std::string id;
  JobWork work;
  std::string condition;  // as it was written
  WallTime created = kNever;
  WallTime start = kNever;    // not before it
  WallTime started = kNever;  // when it began to run
  WallTime ended = kNever;
  seconds execution_max{0};
  JobStatus status = JobStatus::queued;
  std::string failure;  // why the job as a whole failed
  // The job is over for every device, or module, up to this one; these outcomes are in `counts`.
  Identity cursor;
  JobCounts counts;

  // "scheduleUpdateTwin" or "scheduleDeviceMethod"
  std::string_view type() const;
};

// The work as the request and every answer have it: the members updateTwin or cloudToDeviceMethod.
Json job_work_json(const JobWork& work);

std::string encode_job(const JobRecord& job);
// Errors: storage_failed for what is damaged or of a newer kind.
Result<JobRecord> decode_job(std::string_view text);

// The outcome of a job for one device or module: the row of devices.jobs (service-rest.md 6.7).
struct JobDeviceRecord {
  Identity id;
  WallTime started = kNever;
  WallTime ended = kNever;
  std::optional<MethodResult> method;
  std::optional<Error> error;  // exclusive with `method`
};
// Keys are in the order of devices, and modules follow their device.
std::string job_device_key(std::string_view job, const Identity& id);
std::string job_device_prefix(std::string_view job);
std::string encode_job_device(const JobRecord& job, const JobDeviceRecord& outcome);

// A stored outcome as queries show it. Errors: storage_failed.
Result<Json> decode_job_device(std::string_view text);
// What a key names, and how it ended.
struct JobDeviceOutcome {
  Identity id;
  bool failed = false;
};
Result<JobDeviceOutcome> read_job_outcome(std::string_view text);

}  // namespace kyanite
