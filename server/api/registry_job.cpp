#include "server/api/registry_job.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/api_response.h"

namespace kyanite {
namespace {

constexpr int kJobVersion = 1;
constexpr std::size_t kContainerBytesMax = 4096;
constexpr std::size_t kBlobNameBytesMax = 1024;
constexpr std::string_view kDevicesName = "devices.txt";
constexpr std::string_view kErrorsName = "importErrors.log";
constexpr std::string_view kConfigurationsName = "configurations.txt";

constexpr std::array<std::string_view, 5> kStatusNames{"enqueued", "running", "completed", "failed",
                                                       "cancelled"};

std::string_view type_name(RegistryJob::Type type) {
  return type == RegistryJob::Type::exporting ? "export" : "import";
}

Error bad_transfer(std::string sentence) { return Error(Errc::argument_invalid, std::move(sentence)); }

// A text member; empty when absent or null.
Result<std::string> job_text(const Json& body, std::string_view name, std::size_t bytes_max) {
  const Json* member = find_member(body, name);
  if (!member || member->is_null()) return std::string();
  if (!member->is_string()) return bad_transfer(std::string(name) + " must be a string");
  auto text = member->get<std::string>();
  if (text.size() > bytes_max) return bad_transfer(std::string(name) + " is too long");
  return text;
}

Result<bool> job_flag(const Json& body, std::string_view name) {
  const Json* member = find_member(body, name);
  if (!member || member->is_null()) return false;
  if (!member->is_boolean()) return bad_transfer(std::string(name) + " must be true or false");
  return member->get<bool>();
}

// A blob's name may hold folders, but leads nowhere else.
Result<std::string> blob_name(const Json& body, std::string_view member, std::string_view otherwise) {
  Result<std::string> name = job_text(body, member, kBlobNameBytesMax);
  if (!name) return name;
  if (name->empty()) return std::string(otherwise);
  for (std::size_t from = 0; from <= name->size();) {
    const std::size_t end = std::min(name->find('/', from), name->size());
    const std::string_view part = std::string_view(*name).substr(from, end - from);
    if (part.empty() || part == "." || part == "..")
      return bad_transfer(std::string(member) + " is no blob name");
    from = end + 1;
  }
  for (const char c : *name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == 0x7f) {
      return bad_transfer(std::string(member) + " is no blob name");
    }
  }
  return name;
}

Result<void> read_type(const Json& body, RegistryJob& into) {
  const Result<std::string> type = job_text(body, "type", kBlobNameBytesMax);
  if (!type) return type.error();
  if (equals_ignoring_case(*type, "export")) {
    into.type = RegistryJob::Type::exporting;
  } else if (equals_ignoring_case(*type, "import")) {
    into.type = RegistryJob::Type::importing;
  } else {
    return bad_transfer("type must be export or import");
  }
  return {};
}

// What this hub has no means for.
Result<void> refuse_unknown_means(const Json& body) {
  const Result<std::string> storage = job_text(body, "storageAuthenticationType", kBlobNameBytesMax);
  if (!storage) return storage.error();
  if (!storage->empty() && !equals_ignoring_case(*storage, "keyBased")) {
    return bad_transfer(
        "storageAuthenticationType must be keyBased: the container is opened by its signature");
  }
  return {};
}

Result<void> read_containers(const Json& body, RegistryJobRequest& into) {
  const Result<std::string> input = job_text(body, "inputBlobContainerUri", kContainerBytesMax);
  if (!input) return input.error();
  const Result<std::string> output = job_text(body, "outputBlobContainerUri", kContainerBytesMax);
  if (!output) return output.error();
  const bool imports = into.job.type == RegistryJob::Type::importing;
  if (imports && input->empty()) return bad_transfer("an import needs inputBlobContainerUri");
  if (!imports && output->empty()) return bad_transfer("an export needs outputBlobContainerUri");
  into.input_container = *input;
  into.output_container = output->empty() ? *input : *output;
  return {};
}

Result<void> read_configurations(const Json& body, RegistryJob& into) {
  const Result<bool> wanted = job_flag(body, "includeConfigurations");
  if (!wanted) return wanted.error();
  Result<std::string> name = blob_name(body, "configurationsBlobName", kConfigurationsName);
  if (!name) return name.error();
  if (!*wanted) return {};
  if (*name == into.input_name || *name == into.output_name) {
    return bad_transfer("configurationsBlobName is the name of another blob of the job");
  }
  into.configurations_name = std::move(*name);
  return {};
}

}  // namespace

Result<RegistryJobRequest> parse_registry_job_request(std::string_view body) {
  const Result<Json> json = parse_json(body);
  if (!json) return json.error();
  if (!json->is_object()) return bad_transfer("the body must be a JSON object");
  RegistryJobRequest request;
  RegistryJob& job = request.job;
  if (Result<void> read = read_type(*json, job); !read) return read.error();
  if (Result<void> refused = refuse_unknown_means(*json); !refused) return refused.error();
  if (Result<void> read = read_containers(*json, request); !read) return read.error();
  const bool imports = job.type == RegistryJob::Type::importing;
  if (imports) {
    Result<std::string> input = blob_name(*json, "inputBlobName", kDevicesName);
    if (!input) return input.error();
    job.input_name = std::move(*input);
    job.output_name = kErrorsName;
  } else {
    Result<std::string> output = blob_name(*json, "outputBlobName", kDevicesName);
    if (!output) return output.error();
    job.output_name = std::move(*output);
  }
  if (Result<void> read = read_configurations(*json, job); !read) return read.error();
  const Result<bool> exclude = job_flag(*json, "excludeKeysInExport");
  if (!exclude) return exclude.error();
  job.exclude_keys = *exclude;
  return request;
}

Json registry_job_to_json(const RegistryJob& job) {
  const bool imports = job.type == RegistryJob::Type::importing;
  const auto time_or_null = [](WallTime time) { return time == kNever ? Json() : Json(to_iso_time(time)); };
  Json json;
  json["jobId"] = job.id;
  json["startTimeUtc"] = time_or_null(job.start);
  json["endTimeUtc"] = time_or_null(job.end);
  json["type"] = type_name(job.type);
  json["status"] = kStatusNames[static_cast<std::size_t>(job.status)];
  json["progress"] = job.progress;
  json["inputBlobContainerUri"] = nullptr;
  json["inputBlobName"] = text_or_null(job.input_name);
  json["outputBlobContainerUri"] = nullptr;
  json["outputBlobName"] = imports ? Json() : Json(job.output_name);
  json["excludeKeysInExport"] = job.exclude_keys;
  json["storageAuthenticationType"] = "keyBased";
  json["includeConfigurations"] = !job.configurations_name.empty();
  json["configurationsBlobName"] = text_or_null(job.configurations_name);
  json["failureReason"] = text_or_null(job.failure_reason);
  return json;
}

std::string encode_registry_job(const RegistryJob& job) {
  Json json;
  json["version"] = kJobVersion;
  json["id"] = job.id;
  json["type"] = type_name(job.type);
  json["status"] = kStatusNames[static_cast<std::size_t>(job.status)];
  json["progress"] = job.progress;
  json["start"] = job.start.time_since_epoch().count();
  json["end"] = job.end.time_since_epoch().count();
  json["failureReason"] = job.failure_reason;
  json["inputName"] = job.input_name;
  json["outputName"] = job.output_name;
  json["excludeKeys"] = job.exclude_keys;
  json["configurationsName"] = job.configurations_name;
  return dump_json(json);
}

Result<RegistryJob> decode_registry_job(std::string_view text) {
  const Error unreadable(Errc::internal, "a stored import or export job cannot be read");
  const Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return unreadable;
  const auto number_of = [&json](const char* name) {
    const auto found = json->find(name);
    return found != json->end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  };
  RegistryJob job;
  job.id = text_member(*json, "id");
  job.type =
      text_member(*json, "type") == "import" ? RegistryJob::Type::importing : RegistryJob::Type::exporting;
  const std::string status = text_member(*json, "status");
  const auto* const name = std::find(kStatusNames.begin(), kStatusNames.end(), status);
  if (job.id.empty() || name == kStatusNames.end()) return unreadable;
  job.status = static_cast<RegistryJob::Status>(name - kStatusNames.begin());
  job.progress = static_cast<unsigned>(number_of("progress"));
  job.start = WallTime(milliseconds(number_of("start")));
  job.end = WallTime(milliseconds(number_of("end")));
  job.failure_reason = text_member(*json, "failureReason");
  job.input_name = text_member(*json, "inputName");
  job.output_name = text_member(*json, "outputName");
  job.configurations_name = text_member(*json, "configurationsName");
  const auto exclude = json->find("excludeKeys");
  job.exclude_keys = exclude != json->end() && exclude->is_boolean() && exclude->get<bool>();
  return job;
}

}  // namespace kyanite
