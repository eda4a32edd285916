#pragma once

#include <vector>

#include "protocol/base/result.h"
#include "protocol/http/request.h"
#include "server/hub/telemetry_requests.h"

namespace kyanite {

// The messages in a POST to .../messages/events (spec service-rest.md 9.5): one with its properties in
// headers, or with the content type application/vnd.microsoft.iothub.json a batch, an array of
// {"body", "base64Encoded" (true unless given), "properties": {"iothub-app-x": "v", ...}}. Properties get the
// names of the telemetry log (device-mqtt.md 4.3). Values are taken as they are, without percent-decoding.
//
// Errors: argument_invalid; format_error for a batch that is no JSON; message_too_large when the messages
// have more than limits::kTelemetryBytesMax in all, or are more than limits::kTelemetryBatchMax.
Result<std::vector<TelemetryItem>> parse_telemetry_request(const HttpRequest& request);

}  // namespace kyanite
