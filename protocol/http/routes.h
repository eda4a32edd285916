#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/auth/access_policy.h"
#include "protocol/base/result.h"
#include "protocol/http/request.h"

namespace kyanite {

// Every operation of the REST API; one row each in the route table.
enum class Operation {
  get_device,
  put_device,
  delete_device,
  list_devices,
  get_module,
  put_module,
  delete_module,
  list_modules,
  bulk_registry,
  regenerate_identity_keys,
  create_registry_job,
  list_registry_jobs,
  get_registry_job,
  cancel_registry_job,
  device_statistics,
  service_statistics,
  get_twin,  // of a module too, here and below
  patch_twin,
  put_twin,
  send_c2d,
  purge_c2d,
  receive_feedback,
  complete_feedback,
  abandon_feedback,
  invoke_method,
  get_digital_twin,
  patch_digital_twin,
  invoke_command,  // of the root or of a component
  put_job,
  get_job,
  cancel_job,
  query_jobs,
  list_configurations,
  get_configuration,
  put_configuration,
  delete_configuration,
  test_configuration_queries,
  apply_configuration_content,
  query_devices,
  // Of devices, with their own credential or DeviceConnect
  send_events,
  receive_c2d,
  complete_c2d,  // or reject
  abandon_c2d,
  begin_upload,
  finish_upload,
  // Kyanite's own, under /kyanite/v1/
  stream_events,
  list_consumer_groups,
  put_consumer_group,
  delete_consumer_group,
  list_files,
  list_file_notifications,
  delete_file_notification,
  stream_registry,
  hub_status,
  list_connections,
  list_c2d,
  list_ca_certificates,
  add_ca_certificate,
  challenge_ca_certificate,
  verify_ca_certificate,
  delete_ca_certificate,
  list_policies,
  get_policy,
  put_policy,
  delete_policy,
  regenerate_policy_key,
  list_backups,
  put_backup,
  delete_backup,
  reload_settings,
  get_log_level,
  put_log_level,
  get_clock,
  set_clock,
  reset_clock,
  list_faults,
  add_fault,
  delete_fault,
  clear_faults,
  wait_until,
  reset_hub,
  list_snapshots,
  put_snapshot,
  delete_snapshot,
  restore_snapshot,
  get_openapi,
};

// One row of the route table. A path is without its leading slash; "{}" stands for one id.
struct Route {
  HttpVerb verb;
  std::string_view path;
  Operation operation;
  NeededRights needed;
};
std::span<const Route> all_routes();
// There with the setting testControl only.
bool is_only_for_tests(const Route& route);

struct RouteMatch {
  Operation operation;
  NeededRights needed;
  bool needs_api_version = true;  // false under /kyanite/
  bool only_for_tests = false;    // there only with the setting testControl
  // Open to the device or module that the path names, too; `needed` is DeviceConnect.
  bool is_devices_own = false;
  std::vector<std::string> parameters;  // ids in the path, in order
};

// Literals ignore case, ids do not (service-rest.md 1.4). Without `test_control` the routes for tests do not
// exist. Errors: Errc::route_not_found, method_not_allowed.
Result<RouteMatch> match_route(const HttpRequest& request, bool test_control = false);

// Accepts YYYY-MM-DD[-preview]. Errors: Errc::protocol_version_invalid (service-rest.md 1.3).
Result<void> check_api_version(const HttpRequest& request);

}  // namespace kyanite
