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
      return ThrottleClass::registry;
    case Operation::get_twin:
      return ThrottleClass::twin_reads;
    case Operation::patch_twin:
    case Operation::put_twin:
      return ThrottleClass::twin_updates;
    case Operation::send_c2d:
      return ThrottleClass::c2d_sends;
    case Operation::invoke_method:
      return ThrottleClass::methods;
    default:
      return std::nullopt;
  }
}

// Registry operations are no messages.
bool counts_as_message(ThrottleClass of) { return of != ThrottleClass::registry; }

}  // namespace

Result<void> admit_by_rate(HubServices& services, Operation operation, std::size_t body_bytes) {
  Throttles& throttles = services.throttles;
  if (!throttles.is_on()) return {};
  const std::optional<ThrottleClass> of = class_of(operation);
  if (!of) return {};
  const WallTime wall = services.executor.wall_now();
  if (counts_as_message(*of)) {
    if (const Result<void> quota = throttles.check_quota(wall); !quota) return quota;
  }
  const std::uint64_t units = *of == ThrottleClass::methods ? Throttles::blocks(body_bytes) : 1;
  const Result<void> taken = throttles.take(*of, services.executor.now(), units);
  // A twin that is read counts by the size of the answer.
  if (taken && counts_as_message(*of) && *of != ThrottleClass::twin_reads) throttles.meter(body_bytes, wall);
  return taken;
}

void meter_answer(HubServices& services, Operation operation, std::size_t body_bytes) {
  Throttles& throttles = services.throttles;
  if (!throttles.is_on()) return;
  const std::optional<ThrottleClass> of = class_of(operation);
  if (of != ThrottleClass::twin_reads && of != ThrottleClass::methods) return;
  throttles.meter(body_bytes, services.executor.wall_now());
  if (of == ThrottleClass::methods) {
    throttles.charge(*of, services.executor.now(), Throttles::blocks(body_bytes));
  }
}

}  // namespace kyanite
