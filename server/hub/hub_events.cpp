#include "server/hub/hub_events.h"

#include <utility>

namespace kyanite {

HubEvents::HubEvents(Executor& executor, TelemetryLog& log, const Settings& settings, std::string hub_name,
                     std::uint64_t starts)
    : executor_(executor), log_(log), settings_(settings), hub_name_(std::move(hub_name)), starts_(starts) {}

}  // namespace kyanite
