#include "server/hub/hub_events.h"

#include <utility>

namespace kyanite {

HubEvents::HubEvents(Executor& executor, TelemetryLog& log, const Settings& settings, std::string hub_name,
                     std::uint64_t starts)
    : executor_(executor), log_(log), settings_(settings), hub_name_(std::move(hub_name)), starts_(starts) {}

TelemetryAppend HubEvents::identity_created(const IdentityRecord&, const TwinRecord&) const { return {}; }
TelemetryAppend HubEvents::identity_deleted(const IdentityRecord&, const TwinRecord&) const { return {}; }
TelemetryAppend HubEvents::twin_changed(const IdentityRecord&, TwinOperation, const Json&) const {
  return {};
}
void HubEvents::connection_changed(const IdentityRecord&, bool) {}

}  // namespace kyanite
