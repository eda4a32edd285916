#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

// Import and export jobs as they are asked for, stored and shown (service-rest.md 4.11).
namespace kyanite {

struct RegistryJob {
  enum class Type : std::uint8_t { exporting, importing };
  enum class Status : std::uint8_t { enqueued, running, completed, failed, cancelled };

  std::string id;
  Type type = Type::exporting;
  Status status = Status::enqueued;
  unsigned progress = 0;  // percent
  WallTime start = kNever;
  WallTime end = kNever;
  std::string failure_reason;  // empty: none
  std::string input_name;      // of the blob that is imported
  std::string output_name;     // of the blob that is exported; of an import that of its errors
  bool exclude_keys = false;
  std::string configurations_name;  // of the blob of configurations; empty: they are no part of it
  friend bool operator==(const RegistryJob&, const RegistryJob&) = default;

  bool is_over() const { return status != Status::enqueued && status != Status::running; }
};

// A job to begin, with its containers.
struct RegistryJobRequest {
  RegistryJob job;
  std::string input_container;
  std::string output_container;
};

// The body of POST /jobs/create; names and enum values ignore case. Errors: format_error, argument_invalid.
Result<RegistryJobRequest> parse_registry_job_request(std::string_view body);

// As services see it; containers are never shown.
Json registry_job_to_json(const RegistryJob& job);

// As stored: JSON with a version. Errors: Errc::internal for text that is none of ours.
std::string encode_registry_job(const RegistryJob& job);
Result<RegistryJob> decode_registry_job(std::string_view text);

}  // namespace kyanite
