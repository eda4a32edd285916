#include "protocol/base/error_catalog.h"

#include <array>

#include "protocol/base/assert.h"

namespace kyanite {
namespace {

constexpr std::array kRows{
    ErrorRow{Errc::argument_invalid, "ArgumentInvalid", 400004, 400, "The request has an invalid argument"},
    ErrorRow{Errc::argument_null, "ArgumentNull", 400005, 400, "The request lacks an argument"},
    ErrorRow{Errc::format_error, "IotHubFormatError", 400006, 400,
             "The request body is not valid JSON of the expected form"},
    ErrorRow{Errc::protocol_version_invalid, "InvalidProtocolVersion", 400001, 400,
             "The api-version is missing or malformed"},
    ErrorRow{Errc::device_scope_invalid, "InvalidDeviceScope", 400028, 400, "The device scope is invalid"},
    ErrorRow{Errc::unauthorized, "IotHubUnauthorizedAccess", 401002, 401, "Unauthorized"},
    ErrorRow{Errc::device_disabled, "IotHubUnauthorizedAccess", 401002, 401, "Unauthorized"},
    ErrorRow{Errc::device_not_found, "DeviceNotFound", 404001, 404, "The device is not registered"},
    ErrorRow{Errc::module_not_found, "ModuleNotFound", 404010, 404, "The module is not registered"},
    ErrorRow{Errc::route_not_found, "GenericNotFound", 404000, 404, "There is no such resource"},
    ErrorRow{Errc::not_found, "GenericNotFound", 404000, 404, "There is no such resource"},
    ErrorRow{Errc::method_not_allowed, "GenericMethodNotAllowed", 405000, 405,
             "The resource does not support this verb"},
    ErrorRow{Errc::device_already_exists, "DeviceAlreadyExists", 409001, 409,
             "A device with this ID is already registered"},
    ErrorRow{Errc::module_already_exists, "ModuleAlreadyExistsOnDevice", 409301, 409,
             "A module with this ID is already registered on the device"},
    ErrorRow{Errc::conflict, "GenericConflict", 409000, 409, "The request conflicts with the present state"},
    ErrorRow{Errc::precondition_failed, "PreconditionFailed", 412001, 412,
             "The ETag does not match; it may be out of date"},
    ErrorRow{Errc::etag_missing, "PreconditionFailed", 412001, 412, "Etag missing: send If-Match"},
    ErrorRow{Errc::message_too_large, "MessageTooLarge", 413001, 413, "The message is larger than allowed"},
    ErrorRow{Errc::request_too_large, "GenericRequestEntityTooLarge", 413000, 413,
             "The request is larger than allowed"},
    ErrorRow{Errc::too_many_devices, "TooManyDevices", 413002, 413, "Too many devices in one request"},
    ErrorRow{Errc::too_many_modules, "TooManyModulesOnDevice", 413003, 413,
             "The device has its maximum number of modules"},
    ErrorRow{Errc::device_listed_twice, "DeviceDefinedMultipleTimes", 400011, 400,
             "The identity is listed more than once in the request"},
    ErrorRow{Errc::bulk_failed, "BulkRegistryOperationFailure", 400013, 400,
             "Some of the operations were refused"},
    ErrorRow{Errc::key_regeneration_failed, "BulkRegenerateDeviceKeyOperationFailure", 400036, 400,
             "No key was replaced"},
    ErrorRow{Errc::policy_key_invalid, "InvalidPolicyKey", 400035, 400,
             "policyKey must be primaryKey, secondaryKey or both"},
    ErrorRow{Errc::system_module, "SystemModuleModifyUnauthorizedAccess", 401100, 401,
             "System modules come and go with the edge capability of their device"},
    ErrorRow{Errc::job_quota_exceeded, "JobQuotaExceeded", 403003, 403,
             "Another import or export job is active"},
    ErrorRow{Errc::blob_container_invalid, "BlobContainerValidationError", 400008, 400,
             "The blob container cannot be used"},
    ErrorRow{Errc::not_implemented, "FeatureNotSupported", 404013, 404,
             "This version of the hub does not offer the operation"},
    ErrorRow{Errc::throttled, "ThrottlingException", 429001, 429, "Too many requests; wait 10 seconds"},
    ErrorRow{Errc::quota_exceeded, "IotHubQuotaExceeded", 403002, 403, "A quota of the hub is used up"},
    ErrorRow{Errc::c2d_queue_full, "DeviceMaximumQueueDepthExceeded", 403004, 403,
             "The device has its maximum number of messages queued"},
    ErrorRow{Errc::message_expired, "InvalidMessageExpiryTime", 403009, 403,
             "The expiry time of the message is in the past"},
    ErrorRow{Errc::lock_lost, "DeviceMessageLockLost", 412002, 412, "The lock has expired or never existed"},
    ErrorRow{Errc::device_not_online, "DeviceNotOnline", 404103, 404,
             "DeviceNotOnline: nothing is listening for methods on this device"},
    ErrorRow{Errc::bad_device_response, "GenericBadGateway", 502000, 502,
             "The device gave an answer that cannot be read"},
    ErrorRow{Errc::too_many_calls, "DeviceMaximumInflightMethodExceeded", 403800, 403,
             "The device has too many direct methods under way"},
    ErrorRow{Errc::digital_twin_patch_invalid, "InvalidDigitalTwinPatch", 400507, 400,
             "The body is not a JSON Patch of a digital twin"},
    ErrorRow{Errc::digital_twin_path_invalid, "InvalidDigitalTwinPatchPath", 400508, 400,
             "A path of the JSON Patch names no property"},
    ErrorRow{Errc::job_not_found, "JobNotFound", 404002, 404, "There is no such job"},
    ErrorRow{Errc::job_already_exists, "JobAlreadyExists", 409104, 409, "A job with this ID exists already"},
    ErrorRow{Errc::too_many_jobs, "ThrottlingMaxActiveJobCountExceeded", 429004, 429,
             "The hub has its maximum number of active jobs"},
    ErrorRow{Errc::operation_not_allowed, "OperationNotAllowedInCurrentState", 405102, 405,
             "The present state does not allow the operation"},
    ErrorRow{Errc::configuration_not_found, "ConfigurationNotFound", 404301, 404,
             "There is no such configuration"},
    ErrorRow{Errc::configuration_already_exists, "ConfigurationAlreadyExists", 409401, 409,
             "A configuration with this ID exists already"},
    ErrorRow{Errc::too_many_configurations, "ConfigurationCountLimitExceeded", 413101, 413,
             "The hub has its maximum number of configurations"},
    ErrorRow{Errc::configuration_condition_invalid, "InvalidConfigurationTargetCondition", 400401, 400,
             "The target condition is invalid"},
    ErrorRow{Errc::configuration_content_invalid, "InvalidConfigurationContent", 400402, 400,
             "The content of the configuration is invalid"},
    ErrorRow{Errc::configuration_metrics_invalid, "InvalidConfigurationCustomMetricsQuery", 400404, 400,
             "A metric of the configuration is invalid"},
    ErrorRow{Errc::upload_not_configured, "DefaultStorageEndpointNotConfigured", 400014, 400,
             "No storage is configured for file uploads"},
    ErrorRow{Errc::upload_id_invalid, "InvalidFileUploadCorrelationId", 400015, 400,
             "The device has no file upload with this correlation ID"},
    ErrorRow{Errc::upload_id_expired, "ExpiredFileUploadCorrelationId", 400016, 400,
             "The file upload has expired"},
    ErrorRow{Errc::upload_blob_missing, "InvalidStorageEndpointOrBlob", 400020, 400,
             "The storage has no such blob"},
    ErrorRow{Errc::too_many_uploads, "DeviceMaximumActiveFileUploadLimitExceeded", 403006, 403,
             "The device has its maximum number of file uploads open"},
    ErrorRow{Errc::wait_over, "GenericTimeout", 408000, 408, "It did not happen in time"},
    ErrorRow{Errc::busy, "ServerBusy", 503005, 503, "The hub is busy; try again shortly"},
    ErrorRow{Errc::shutting_down, "ServiceUnavailable", 503001, 503, "The hub is shutting down"},
    ErrorRow{Errc::storage_failed, "ServiceUnavailable", 503001, 503, "The hub cannot store data at present"},
    ErrorRow{Errc::internal, "ServerError", 500001, 500, "The hub met an internal error"},
    ErrorRow{Errc::timed_out, "GatewayTimeout", 504101, 504, "The operation took too long"},
    ErrorRow{Errc::protocol_violation, "InvalidOperation", 400003, 400, "The peer broke the protocol"},
    ErrorRow{Errc::malformed_packet, "InvalidOperation", 400003, 400, "The packet is malformed"},
    ErrorRow{Errc::packet_too_large, "MessageTooLarge", 413001, 413, "The packet is larger than allowed"},
    ErrorRow{Errc::topic_not_allowed, "InvalidOperation", 400003, 400, "The topic is not one of the hub's"},
    ErrorRow{Errc::config_invalid, "ServerError", 500001, 500, "The configuration is invalid"},
    ErrorRow{Errc::io_failed, "ServerError", 500001, 500, "An input or output operation failed"},
    ErrorRow{Errc::operation_failed, "ServerError", 500001, 500, "The operation could not be done"},
};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].code) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_order(), "the catalogue is indexed by Errc");

}  // namespace

const ErrorRow& error_row(Errc code) {
  const auto index = static_cast<std::size_t>(code);
  KYANITE_ASSERT(index < kRows.size());
  return kRows[index];
}

}  // namespace kyanite
