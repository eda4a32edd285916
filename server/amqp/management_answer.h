#pragma once

#include <string>

#include "protocol/amqp/message.h"
#include "protocol/base/time.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// What $management tells of (spec amqp.md 6.3).
struct EventHubFacts {
  std::string entity;
  WallTime created = kNever;
  const TelemetryLog& log;
  WallTime now = kNever;
};

// Answers one request of $management, encoded: READ of the event hub or of a partition, else a status that
// says why not. The correlation id is the request's message id, in its type.
std::string answer_management(const amqp::Message& request, const EventHubFacts& facts);

}  // namespace kyanite
