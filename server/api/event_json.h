#pragma once

#include <string>

#include "protocol/base/ids.h"
#include "server/api/event_query.h"
#include "storage/records.h"

namespace kyanite {

// One event as a JSON object without line breaks: deviceId, moduleId, partition, offset, sequenceNumber,
// enqueuedTime, systemProperties, properties, body. System properties are those of device-mqtt.md 4.7; a
// property without a value is null. The body is text when it is valid UTF-8, else base64 beside
// "bodyEncoding":"base64".
std::string event_to_json(const TelemetryRecord& record, PartitionId partition);

// The event as one piece of the stream: a line, or a server-sent event with the id "partition/offset" and the
// type "telemetry", or for events of the hub itself the text of iothub-message-source.
std::string frame_event(const TelemetryRecord& record, PartitionId partition, EventFormat format);

// What is sent when nothing else is, so that a dead peer is found: an empty line, or a comment.
std::string heartbeat(EventFormat format);

}  // namespace kyanite
