#include "server/hub/hub_counters.h"

#include "protocol/base/error_catalog.h"

namespace kyanite {

std::string_view to_string(C2dEvent event) {
  switch (event) {
    case C2dEvent::enqueued:
      return "enqueued";
    case C2dEvent::refused:
      return "refused";
    case C2dEvent::delivered:
      return "delivered";
    case C2dEvent::completed:
      return "completed";
    case C2dEvent::rejected:
      return "rejected";
    case C2dEvent::expired:
      return "expired";
    case C2dEvent::delivery_count_exceeded:
      return "delivery_count_exceeded";
    case C2dEvent::purged:
      return "purged";
  }
  return "unknown";
}

std::string_view to_string(MethodOutcome outcome) {
  switch (outcome) {
    case MethodOutcome::answered:
      return "answered";
    case MethodOutcome::timed_out:
      return "timed_out";
    case MethodOutcome::not_online:
      return "not_online";
    case MethodOutcome::refused:
      return "refused";
    case MethodOutcome::failed:
      return "failed";
  }
  return "unknown";
}

std::string_view to_string(TwinOperation operation) {
  switch (operation) {
    case TwinOperation::get:
      return "get";
    case TwinOperation::update:
      return "update";
    case TwinOperation::replace:
      return "replace";
  }
  return "unknown";
}

std::string_view to_string(TwinOrigin origin) { return origin == TwinOrigin::device ? "device" : "service"; }

std::string_view to_string(OperationResult result) {
  switch (result) {
    case OperationResult::ok:
      return "ok";
    case OperationResult::refused:
      return "refused";
    case OperationResult::failed:
      return "failed";
  }
  return "unknown";
}

MethodOutcome method_outcome_of(const Error& error) {
  switch (error.code) {
    case Errc::timed_out:
      return MethodOutcome::timed_out;
    case Errc::device_not_online:
      return MethodOutcome::not_online;
    case Errc::too_many_calls:
      return MethodOutcome::refused;
    default:
      return MethodOutcome::failed;
  }
}

OperationResult operation_result_of(const Error& error) {
  return error_row(error.code).http_status < 500 ? OperationResult::refused : OperationResult::failed;
}

void HubCounters::add(const HubCounters& other) {
  for (std::size_t i = 0; i < kC2dEventCount; ++i) c2d[i] += other.c2d[i];
  for (std::size_t i = 0; i < kMethodOutcomeCount; ++i) methods[i] += other.methods[i];
  methods_under_way += other.methods_under_way;
  method_seconds.add(other.method_seconds);
  for (std::size_t i = 0; i < kTwinOperationCount; ++i) {
    for (std::size_t j = 0; j < kTwinOriginCount; ++j) {
      for (std::size_t k = 0; k < kOperationResultCount; ++k) twins[i][j][k] += other.twins[i][j][k];
    }
  }
}

}  // namespace kyanite
