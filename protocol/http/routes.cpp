#include "protocol/http/routes.h"

#include <algorithm>
#include <array>
#include <optional>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kParameter = "{}";
constexpr std::string_view kClockPath = "kyanite/v1/clock";
constexpr std::string_view kFaultsPath = "kyanite/v1/faults";
constexpr std::string_view kWaitPath = "kyanite/v1/wait";
constexpr std::string_view kResetPath = "kyanite/v1/reset";
constexpr std::string_view kSnapshotsPath = "kyanite/v1/snapshots";
constexpr std::string_view kFaultPath = "kyanite/v1/faults/{}";

constexpr NeededRights kRegistryRead = NeededRights::any_of(Right::registry_read);
constexpr NeededRights kRegistryWrite = NeededRights::any_of(Right::registry_write);
constexpr NeededRights kServiceConnect = NeededRights::any_of(Right::service_connect);
constexpr NeededRights kReadOrService =
    NeededRights::any_of(Rights(Right::registry_read) | Right::service_connect);
constexpr NeededRights kDeviceConnect = NeededRights::any_of(Right::device_connect);
// The service documents none for configurations (2.3).
constexpr NeededRights kConfigurationRead =
    NeededRights::any_of(Rights(Right::registry_read) | Right::registry_write | Right::service_connect);
constexpr NeededRights kConfigurationWrite =
    NeededRights::any_of(Rights(Right::registry_write) | Right::service_connect);
// Keys of the identities and their twins.
constexpr NeededRights kRegistryAndTwins =
    NeededRights::all_of(Rights(Right::registry_read) | Right::service_connect);
// The keys of the policies open everything, so only who may do everything gets to see them.
constexpr NeededRights kEverything = NeededRights::all_of(kAllRights);

// Rights as in service-rest.md 2.3 and 13. Literals stand before parameters where both could match.
constexpr std::array kRoutes{
    Route{HttpVerb::get, "devices", Operation::list_devices, kRegistryRead},
    Route{HttpVerb::get, "devices/{}", Operation::get_device, kRegistryRead},
    Route{HttpVerb::put, "devices/{}", Operation::put_device, kRegistryWrite},
    Route{HttpVerb::del, "devices/{}", Operation::delete_device, kRegistryWrite},
    Route{HttpVerb::post, "devices", Operation::bulk_registry, kRegistryWrite},
    Route{HttpVerb::post, "devices/keys/regenerate", Operation::regenerate_identity_keys, kRegistryWrite},
    Route{HttpVerb::post, "jobs/create", Operation::create_registry_job, kRegistryWrite},
    Route{HttpVerb::get, "jobs", Operation::list_registry_jobs, kRegistryWrite},
    Route{HttpVerb::get, "jobs/{}", Operation::get_registry_job, kRegistryWrite},
    Route{HttpVerb::del, "jobs/{}", Operation::cancel_registry_job, kRegistryWrite},
    Route{HttpVerb::get, "devices/{}/modules", Operation::list_modules, kRegistryRead},
    Route{HttpVerb::get, "devices/{}/modules/{}", Operation::get_module, kRegistryRead},
    Route{HttpVerb::put, "devices/{}/modules/{}", Operation::put_module, kRegistryWrite},
    Route{HttpVerb::del, "devices/{}/modules/{}", Operation::delete_module, kRegistryWrite},
    Route{HttpVerb::get, "statistics/devices", Operation::device_statistics, kRegistryRead},
    Route{HttpVerb::get, "statistics/service", Operation::service_statistics, kReadOrService},
    Route{HttpVerb::get, "twins/{}", Operation::get_twin, kServiceConnect},
    Route{HttpVerb::patch, "twins/{}", Operation::patch_twin, kServiceConnect},
    Route{HttpVerb::put, "twins/{}", Operation::put_twin, kServiceConnect},
    Route{HttpVerb::get, "twins/{}/modules/{}", Operation::get_twin, kServiceConnect},
    Route{HttpVerb::patch, "twins/{}/modules/{}", Operation::patch_twin, kServiceConnect},
    Route{HttpVerb::put, "twins/{}/modules/{}", Operation::put_twin, kServiceConnect},
    Route{HttpVerb::post, "devices/{}/messages/devicebound", Operation::send_c2d, kServiceConnect},
    Route{HttpVerb::del, "devices/{}/commands", Operation::purge_c2d, kServiceConnect},
    Route{HttpVerb::get, "messages/servicebound/feedback", Operation::receive_feedback, kServiceConnect},
    Route{HttpVerb::del, "messages/servicebound/feedback/{}", Operation::complete_feedback, kServiceConnect},
    Route{HttpVerb::post, "messages/servicebound/feedback/{}/abandon", Operation::abandon_feedback,
          kServiceConnect},
    Route{HttpVerb::post, "twins/{}/methods", Operation::invoke_method, kServiceConnect},
    Route{HttpVerb::post, "twins/{}/modules/{}/methods", Operation::invoke_method, kServiceConnect},
    Route{HttpVerb::get, "digitaltwins/{}", Operation::get_digital_twin, kServiceConnect},
    Route{HttpVerb::patch, "digitaltwins/{}", Operation::patch_digital_twin, kServiceConnect},
    Route{HttpVerb::post, "digitaltwins/{}/commands/{}", Operation::invoke_command, kServiceConnect},
    Route{HttpVerb::post, "digitaltwins/{}/components/{}/commands/{}", Operation::invoke_command,
          kServiceConnect},
    Route{HttpVerb::get, "configurations", Operation::list_configurations, kConfigurationRead},
    Route{HttpVerb::post, "configurations/testqueries", Operation::test_configuration_queries,
          kConfigurationRead},
    Route{HttpVerb::get, "configurations/{}", Operation::get_configuration, kConfigurationRead},
    Route{HttpVerb::put, "configurations/{}", Operation::put_configuration, kConfigurationWrite},
    Route{HttpVerb::del, "configurations/{}", Operation::delete_configuration, kConfigurationWrite},
    Route{HttpVerb::post, "devices/{}/applyconfigurationcontent", Operation::apply_configuration_content,
          kConfigurationWrite},
    Route{HttpVerb::get, "jobs/v2/query", Operation::query_jobs, kServiceConnect},
    Route{HttpVerb::get, "jobs/v2/{}", Operation::get_job, kServiceConnect},
    Route{HttpVerb::put, "jobs/v2/{}", Operation::put_job, kServiceConnect},
    Route{HttpVerb::post, "jobs/v2/{}/cancel", Operation::cancel_job, kServiceConnect},
    Route{HttpVerb::post, "devices/{}/messages/events", Operation::send_events, kDeviceConnect},
    Route{HttpVerb::post, "devices/{}/modules/{}/messages/events", Operation::send_events, kDeviceConnect},
    Route{HttpVerb::get, "devices/{}/messages/devicebound", Operation::receive_c2d, kDeviceConnect},
    Route{HttpVerb::del, "devices/{}/messages/devicebound/{}", Operation::complete_c2d, kDeviceConnect},
    Route{HttpVerb::post, "devices/{}/messages/devicebound/{}/abandon", Operation::abandon_c2d,
          kDeviceConnect},
    Route{HttpVerb::post, "devices/query", Operation::query_devices, kServiceConnect},
    Route{HttpVerb::post, "devices/{}/files", Operation::begin_upload, kDeviceConnect},
    Route{HttpVerb::post, "devices/{}/files/notifications", Operation::finish_upload, kDeviceConnect},
    Route{HttpVerb::post, "devices/{}/files/notifications/{}", Operation::finish_upload, kDeviceConnect},
    Route{HttpVerb::get, "kyanite/v1/files", Operation::list_files, kServiceConnect},
    Route{HttpVerb::get, "kyanite/v1/file-notifications", Operation::list_file_notifications,
          kServiceConnect},
    Route{HttpVerb::del, "kyanite/v1/file-notifications/{}", Operation::delete_file_notification,
          kServiceConnect},
    Route{HttpVerb::get, "kyanite/v1/events", Operation::stream_events, kServiceConnect},
    Route{HttpVerb::get, "kyanite/v1/consumer-groups", Operation::list_consumer_groups, kServiceConnect},
    Route{HttpVerb::put, "kyanite/v1/consumer-groups/{}", Operation::put_consumer_group, kServiceConnect},
    Route{HttpVerb::del, "kyanite/v1/consumer-groups/{}", Operation::delete_consumer_group, kServiceConnect},
    Route{HttpVerb::get, "kyanite/v1/registry", Operation::stream_registry, kRegistryAndTwins},
    Route{HttpVerb::get, "kyanite/v1/status", Operation::hub_status, kReadOrService},
    Route{HttpVerb::get, "kyanite/v1/connections", Operation::list_connections, kReadOrService},
    Route{HttpVerb::get, "kyanite/v1/messages", Operation::list_c2d, kServiceConnect},
    Route{HttpVerb::get, "kyanite/v1/openapi.json", Operation::get_openapi, kReadOrService},
    Route{HttpVerb::get, "kyanite/v1/ca-certificates", Operation::list_ca_certificates, kRegistryRead},
    Route{HttpVerb::put, "kyanite/v1/ca-certificates/{}", Operation::add_ca_certificate, kRegistryWrite},
    Route{HttpVerb::post, "kyanite/v1/ca-certificates/{}/challenge", Operation::challenge_ca_certificate,
          kRegistryWrite},
    Route{HttpVerb::post, "kyanite/v1/ca-certificates/{}/verify", Operation::verify_ca_certificate,
          kRegistryWrite},
    Route{HttpVerb::del, "kyanite/v1/ca-certificates/{}", Operation::delete_ca_certificate, kRegistryWrite},
    Route{HttpVerb::get, "kyanite/v1/policies", Operation::list_policies, kEverything},
    Route{HttpVerb::get, "kyanite/v1/policies/{}", Operation::get_policy, kEverything},
    Route{HttpVerb::put, "kyanite/v1/policies/{}", Operation::put_policy, kEverything},
    Route{HttpVerb::del, "kyanite/v1/policies/{}", Operation::delete_policy, kEverything},
    Route{HttpVerb::post, "kyanite/v1/policies/{}/regenerate-key", Operation::regenerate_policy_key,
          kEverything},
    Route{HttpVerb::get, "kyanite/v1/backups", Operation::list_backups, kEverything},
    Route{HttpVerb::put, "kyanite/v1/backups/{}", Operation::put_backup, kEverything},
    Route{HttpVerb::del, "kyanite/v1/backups/{}", Operation::delete_backup, kEverything},
    Route{HttpVerb::post, "kyanite/v1/reload", Operation::reload_settings, kEverything},
    Route{HttpVerb::get, "kyanite/v1/log-level", Operation::get_log_level, kEverything},
    Route{HttpVerb::put, "kyanite/v1/log-level", Operation::put_log_level, kEverything},
    Route{HttpVerb::get, kClockPath, Operation::get_clock, kEverything},
    Route{HttpVerb::put, kClockPath, Operation::set_clock, kEverything},
    Route{HttpVerb::post, kClockPath, Operation::set_clock, kEverything},
    Route{HttpVerb::del, kClockPath, Operation::reset_clock, kEverything},
    Route{HttpVerb::get, kFaultsPath, Operation::list_faults, kEverything},
    Route{HttpVerb::post, kFaultsPath, Operation::add_fault, kEverything},
    Route{HttpVerb::del, kFaultsPath, Operation::clear_faults, kEverything},
    Route{HttpVerb::get, kWaitPath, Operation::wait_until, kEverything},
    Route{HttpVerb::post, kResetPath, Operation::reset_hub, kEverything},
    Route{HttpVerb::get, kSnapshotsPath, Operation::list_snapshots, kEverything},
    Route{HttpVerb::put, "kyanite/v1/snapshots/{}", Operation::put_snapshot, kEverything},
    Route{HttpVerb::del, "kyanite/v1/snapshots/{}", Operation::delete_snapshot, kEverything},
    Route{HttpVerb::post, "kyanite/v1/snapshots/{}/restore", Operation::restore_snapshot, kEverything},
    Route{HttpVerb::del, kFaultPath, Operation::delete_fault, kEverything},
};

constexpr bool is_devices_own(Operation operation) {
  switch (operation) {
    case Operation::send_events:
    case Operation::receive_c2d:
    case Operation::complete_c2d:
    case Operation::abandon_c2d:
    case Operation::begin_upload:
    case Operation::finish_upload:
      return true;
    default:
      return false;
  }
}

// The ids in the path when it has the route's form.
std::optional<std::vector<std::string>> match_path(std::string_view pattern,
                                                   const std::vector<std::string>& path) {
  std::vector<std::string> parameters;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern.empty()) return std::nullopt;
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view word = pattern.substr(0, end);
    pattern.remove_prefix(std::min(end + 1, pattern.size()));
    if (word == kParameter) {
      parameters.push_back(path[i]);
    } else if (!equals_ignoring_case(word, path[i])) {
      return std::nullopt;
    }
  }
  if (!pattern.empty()) return std::nullopt;
  return parameters;
}

}  // namespace

std::span<const Route> all_routes() { return kRoutes; }

bool is_only_for_tests(const Route& route) {
  return route.path == kClockPath || route.path.starts_with(kFaultsPath) || route.path == kWaitPath ||
         route.path == kResetPath || route.path.starts_with(kSnapshotsPath);
}

Result<RouteMatch> match_route(const HttpRequest& request, bool test_control) {
  bool path_known = false;
  for (const Route& route : kRoutes) {
    auto parameters = match_path(route.path, request.segments);
    if (!parameters) continue;
    const bool only_for_tests = is_only_for_tests(route);
    if (only_for_tests && !test_control) continue;
    path_known = true;
    if (route.verb != request.verb) continue;
    RouteMatch match;
    match.operation = route.operation;
    match.needed = route.needed;
    match.needs_api_version = !route.path.starts_with("kyanite/");
    match.only_for_tests = only_for_tests;
    match.is_devices_own = is_devices_own(route.operation);
    match.parameters = std::move(*parameters);
    return match;
  }
  return Error(path_known ? Errc::method_not_allowed : Errc::route_not_found);
}

Result<void> check_api_version(const HttpRequest& request) {
  const auto version = request.query_value("api-version");
  if (!version) return Error(Errc::protocol_version_invalid, "The query parameter api-version is missing");
  constexpr std::string_view form = "dddd-dd-dd";
  constexpr std::string_view preview = "-preview";
  bool good = version->size() >= form.size();
  for (std::size_t i = 0; good && i < form.size(); ++i) {
    const char c = (*version)[i];
    good = form[i] == 'd' ? c >= '0' && c <= '9' : c == form[i];
  }
  if (good && (version->size() == form.size() || version->substr(form.size()) == preview)) return {};
  return Error(Errc::protocol_version_invalid, "The api-version must be YYYY-MM-DD or YYYY-MM-DD-preview");
}

}  // namespace kyanite
