#pragma once

#include <optional>
#include <string_view>

#include "storage/records.h"

namespace kyanite {

// What iothub-message-source says (spec device-mqtt.md 4.7, 10; routing-and-events.md 5.1): "Telemetry",
// "twinChangeEvents", "deviceLifecycleEvents", "deviceConnectionStateEvents", "operationsMonitoringEvents".
// The last is our own choice: the service delivered those records at an endpoint of that name.
std::string_view to_text(MessageSource source);

// Reads those names and the one routes use for telemetry, "DeviceMessages", ignoring case.
std::optional<MessageSource> message_source_from_text(std::string_view text);

}  // namespace kyanite
