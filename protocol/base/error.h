#pragma once

#include <string>
#include <utility>

namespace kyanite {

// Why an operation was refused. Each code has one row in error_catalog.h that says what every protocol
// answers for it; adapters translate by that row only.
enum class Errc {
  // the caller's request
  argument_invalid,
  argument_null,             // something the operation cannot do without is missing
  format_error,              // a body that is not JSON, or not the JSON expected
  protocol_version_invalid,  // api-version missing or malformed
  device_scope_invalid,
  unauthorized,  // missing, bad or expired credential, or missing right
  device_disabled,
  device_not_found,
  module_not_found,
  route_not_found,
  not_found,
  method_not_allowed,
  device_already_exists,
  module_already_exists,
  conflict,
  precondition_failed,
  etag_missing,
  message_too_large,
  request_too_large,
  too_many_devices,
  too_many_modules,
  device_listed_twice,      // in one bulk request
  bulk_failed,              // some item of a bulk request was refused
  key_regeneration_failed,  // of every identity of the request
  policy_key_invalid,       // which of the keys is to be replaced
  system_module,            // the hub makes and removes it itself
  job_quota_exceeded,       // one job at a time
  blob_container_invalid,   // cannot be reached, or not be written or read
  not_implemented,
  throttled,
  quota_exceeded,
  c2d_queue_full,
  message_expired,      // its expiry is in the past
  lock_lost,            // of a feedback batch or a message
  device_not_online,    // not connected, or not listening
  bad_device_response,  // its answer is not what the protocol asks for
  too_many_calls,       // direct methods of one device under way
  digital_twin_patch_invalid,
  digital_twin_path_invalid,
  job_not_found,
  job_already_exists,
  too_many_jobs,          // scheduled or running
  operation_not_allowed,  // in the present state
  configuration_not_found,
  configuration_already_exists,
  too_many_configurations,
  configuration_condition_invalid,
  configuration_content_invalid,
  configuration_metrics_invalid,
  upload_not_configured,  // of files: no storage
  upload_id_invalid,      // the correlation id of a file upload
  upload_id_expired,
  upload_blob_missing,  // a success was reported and there is no blob
  too_many_uploads,     // open file uploads of one device
  wait_over,            // what was waited for did not happen in time
  // the hub
  busy,  // back-pressure: the caller may try again later
  shutting_down,
  storage_failed,
  internal,
  timed_out,
  // a peer's bytes
  protocol_violation,
  malformed_packet,
  packet_too_large,
  topic_not_allowed,
  // start-up and operation
  config_invalid,
  io_failed,
  operation_failed,  // of an operator, who sees the detail
};

// A refusal: the code decides what the peer sees, the detail is for the log and never carries a key,
// a token or a payload.
struct Error {
  Errc code = Errc::internal;
  std::string detail;

  Error() = default;
  Error(Errc c) : code(c) {}  // NOLINT(google-explicit-constructor): `return Errc::x;` reads as intended
  Error(Errc c, std::string text) : code(c), detail(std::move(text)) {}

  friend bool operator==(const Error& a, const Error& b) { return a.code == b.code; }
};

}  // namespace kyanite
