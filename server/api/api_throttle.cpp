#include "server/api/api_throttle.h"

#include <optional>

#include "server/hub/throttles.h"

namespace kyanite {
namespace {

// The class of an operation; nothing where the service has no limit.
std::optional<ThrottleClass> class_of(Operation operation) {
  switch (operation) {
    case Operation::get_device:
    case Operation::put_device:
    case Operation::delete_device:
    case Operation::list_devices:
    case Operation::get_module:
    case Operation::put_module:
    case Operation::delete_module:
    case Operation::list_modules:
    case Operation::bulk_registry:
    case Operation::regenerate_identity_keys:
    case Operation::create_registry_job:
    case Operation::list_registry_jobs:
    case Operation::get_registry_job:
    case Operation::cancel_registry_job:
      return ThrottleClass::registry;
    case Operation::get_twin:
    case Operation::get_digital_twin:
      return ThrottleClass::twin_reads;
    case Operation::patch_twin:
    case Operation::put_twin:
    case Operation::patch_digital_twin:
      return ThrottleClass::twin_updates;
    case Operation::send_c2d:
      return ThrottleClass::c2d_sends;
    case Operation::invoke_method:
    case Operation::invoke_command:
      return ThrottleClass::methods;
    case Operation::query_devices:
      return ThrottleClass::queries;
    default:
      return std::nullopt;
  }
}

// Of these the operation knows better what is metered, or has something to tell of a refusal.
bool admits_itself(Operation operation) {
  return operation == Operation::invoke_method || operation == Operation::send_c2d;
}

// Registry operations and queries are no messages.
bool counts_as_message(ThrottleClass of) {
  return of != ThrottleClass::registry && of != ThrottleClass::queries;
}

Result<void> take(HubServices& services, Operation operation, std::size_t metered_bytes) {
  Throttles& throttles = services.throttles;
  if (!throttles.is_on()) return {};
  const std::optional<ThrottleClass> of = class_of(operation);
  if (!of) return {};
  const SteadyTime now = services.executor.now();
  if (!counts_as_message(*of)) return throttles.take(*of, now);
  const std::uint64_t units = *of == ThrottleClass::methods ? Throttles::blocks(metered_bytes) : 1;
  return throttles.admit(*of, metered_bytes, now, services.executor.wall_now(), units);
}

}  // namespace

Result<void> admit_by_rate(HubServices& services, Operation operation, std::size_t body_bytes) {
  if (admits_itself(operation)) return {};
  return take(services, operation, body_bytes);
}

Result<void> admit_c2d_by_rate(HubServices& services, std::size_t body_bytes) {
  return take(services, Operation::send_c2d, body_bytes);
}

Result<void> admit_call_by_rate(HubServices& services, std::size_t payload_bytes) {
  return take(services, Operation::invoke_method, payload_bytes);
}

void meter_answer(HubServices& services, Operation operation, std::size_t body_bytes) {
  Throttles& throttles = services.throttles;
  if (!throttles.is_on() || class_of(operation) != ThrottleClass::twin_reads) return;
  throttles.meter(body_bytes, services.executor.wall_now());
}

void meter_call_answer(HubServices& services, std::size_t payload_bytes) {
  Throttles& throttles = services.throttles;
  if (!throttles.is_on()) return;
  throttles.meter(payload_bytes, services.executor.wall_now());
  throttles.charge(ThrottleClass::methods, services.executor.now(), Throttles::blocks(payload_bytes));
}

}  // namespace kyanite
