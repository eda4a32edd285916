#pragma once

#include <string>

#include "storage/records.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// Appends an event of the log as the AMQP message that readers get, from its message annotations on (spec
// amqp.md 6.5): written in one pass, without maps in between. The body is the sender's bytes.
void append_event(std::string& out, const TelemetryRecord& record);

// Appends the delivery annotations that stand in front of an event for a reader that asked for
// enable-receiver-runtime-metric (spec amqp.md 6.4): what its partition holds at `now`.
void append_runtime_metric(std::string& out, const TelemetryRange& range, WallTime now);

// The offset of the last event as text, "-1" when there never was one (spec amqp.md 6.3).
std::string last_offset_text(const TelemetryRange& range);

}  // namespace kyanite
