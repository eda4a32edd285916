#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/base/json_limits.h"
#include "server/api/event_query.h"

namespace kyanite {

// What a request waits for.
enum class WaitCondition : std::uint8_t { connected, disconnected, message, twin, c2d_empty };

// What GET /kyanite/v1/wait asks for.
struct WaitQuery {
  WaitCondition condition = WaitCondition::connected;
  Identity identity;
  milliseconds timeout{30'000};
  // Of a twin: the way to the value, as "properties", "reported", "x"; without a value it is enough that
  // there is one.
  std::vector<std::string> path;
  std::optional<Json> value;
  // Of a message.
  EventQuery events;
  std::string contains;  // in its body
};

// Query parameters (names ignore case):
//   condition  connected, disconnected, message, twin or c2dEmpty
//   device, module
//   timeout    seconds, also a fraction, up to limits::kWaitMax; 30 without it
//   path       of a twin: members separated by dots, as properties.reported.temperature
//   value      of a twin: JSON
//   from, source, contains  of a message, as for /kyanite/v1/events
// Errors: Errc::argument_invalid with a sentence.
Result<WaitQuery> parse_wait_query(const HttpRequest& request, std::uint32_t partitions);
std::string_view to_text(WaitCondition condition);

}  // namespace kyanite
