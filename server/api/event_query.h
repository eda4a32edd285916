#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"
#include "protocol/http/request.h"
#include "storage/records.h"

namespace kyanite {

// Where a reader of events begins: the oldest event kept, what comes from now on, an offset of every
// partition read, or the first event enqueued at a time or later.
struct FromStart {};
struct FromNow {};
using EventStart = std::variant<FromStart, FromNow, TelemetryOffset, WallTime>;

enum class EventFormat {
  json_lines,          // application/x-ndjson: one object a line
  server_sent_events,  // text/event-stream
};

// What GET /kyanite/v1/events asks for.
struct EventQuery {
  std::optional<std::string> device;  // only events of this device and its modules
  std::optional<std::string> module;  // only events of modules with this id
  std::optional<PartitionId> partition;
  std::vector<MessageSource> sources;  // only events of these; empty: of all
  EventStart start = FromNow{};
  std::map<PartitionId, TelemetryOffset> resume;  // where single partitions begin instead
  std::optional<std::uint64_t> count;             // the stream ends after so many events
  std::optional<seconds> idle_timeout;            // the stream ends when no event was sent for so long
  EventFormat format = EventFormat::json_lines;
};

// Query parameters (names ignore case):
//   device, module, partition
//   source   one or more, separated by commas: Telemetry (or DeviceMessages), twinChangeEvents,
//            deviceLifecycleEvents, deviceConnectionStateEvents, operationsMonitoringEvents; case is ignored
//   from     start | now or end (default) | OFFSET | UTC time like 2026-01-05T10:00:01Z | unix milliseconds.
//            A number of at least 100,000,000,000 is taken as milliseconds (1973 and later), a smaller one as
//            offset. Of a time that is ahead, what is enqueued before it is not sent.
//   at       PARTITION@OFFSET, one or more, separated by commas: where these begin, the others by `from`
//   count    at least 1
//   timeout  seconds without an event, at most 86,400; 0 waits for ever (default)
// The header Accept chooses the format. Errors: Errc::argument_invalid with a sentence.
Result<EventQuery> parse_event_query(const HttpRequest& request, std::uint32_t partitions);

}  // namespace kyanite
