#pragma once

#include <string_view>
#include <variant>

#include "protocol/amqp/value.h"
#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// Where a reader of a partition begins: at an offset (which is the sequence number too), at the first event
// enqueued at a time or later, or with what is enqueued after it came.
struct Latest {
  friend bool operator==(Latest, Latest) = default;
};
using EventPosition = std::variant<TelemetryOffset, WallTime, Latest>;

// Reads the selector of a source's filter (spec amqp.md 6.4): amqp.annotation.FIELD OP VALUE. No selector
// means from the start; other filters are ignored, as the service does. Errors: argument_invalid with a
// sentence.
Result<EventPosition> event_position_of(const amqp::Map& filter);
Result<EventPosition> parse_event_selector(std::string_view text);

}  // namespace kyanite
