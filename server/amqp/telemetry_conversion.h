#pragma once

#include <string_view>
#include <vector>

#include "protocol/amqp/message.h"
#include "protocol/base/result.h"
#include "server/hub/telemetry_requests.h"

// Telemetry as AMQP messages (spec amqp.md 7.3).
namespace kyanite {

// What one transfer brings: a message, or those of a batch (amqp::kFormatBatch). The same events as the same
// messages over MQTT or HTTPS make. Errors: malformed_packet, argument_invalid, message_too_large (a message,
// or all of them with their properties, over limits::kTelemetryBytesMax).
Result<std::vector<TelemetryItem>> read_telemetry(std::uint32_t format, std::string_view payload);

}  // namespace kyanite
