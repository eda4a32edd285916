#pragma once

#include <string>
#include <string_view>

#include "protocol/base/json_limits.h"
#include "server/hub/job_service.h"

// Scheduled jobs as JSON documents (service-rest.md 9.1).
namespace kyanite {

// The body of a PUT; names and enum values ignore case, null means absent. `id` is the path's. A condition is
// taken as it is: a bad one makes the job fail when it runs. Errors: format_error, argument_invalid,
// message_too_large (the payload).
Result<JobRecord> parse_job(std::string_view body, const std::string& id, WallTime now);

// Letters, digits, '-', '_' and '.'.
bool is_valid_job_id(std::string_view id);

Json job_to_json(const JobView& view);

// jobType and jobStatus of a list. Errors: argument_invalid for a status there is none of.
Result<JobFilter> parse_job_filter(std::optional<std::string_view> type,
                                   std::optional<std::string_view> status);

}  // namespace kyanite
