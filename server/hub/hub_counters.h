#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/base/histogram.h"
#include "protocol/base/result.h"

namespace kyanite {

// What happens to cloud-to-device messages. Everything behind `delivered` is an end.
enum class C2dEvent : std::uint8_t {
  enqueued,
  refused,    // the queue was full, or the message too old when it came
  delivered,  // sent to the device; once more each time it is sent again
  completed,
  rejected,
  expired,
  delivery_count_exceeded,
  purged,
};
inline constexpr std::size_t kC2dEventCount = 8;

enum class MethodOutcome : std::uint8_t {
  answered,
  timed_out,   // sent, and no answer in time or before the connection ended
  not_online,  // nobody listened
  refused,     // too many calls
  failed,      // an answer that cannot be read, the end of the identity or of the hub
};
inline constexpr std::size_t kMethodOutcomeCount = 5;

enum class TwinOperation : std::uint8_t { get, update, replace };
inline constexpr std::size_t kTwinOperationCount = 3;
enum class TwinOrigin : std::uint8_t { device, service };
inline constexpr std::size_t kTwinOriginCount = 2;
enum class OperationResult : std::uint8_t {
  ok,
  refused,  // the caller's fault: a status below 500
  failed,   // the hub's
};
inline constexpr std::size_t kOperationResultCount = 3;

std::string_view to_string(C2dEvent event);  // snake_case, for metrics; here and below
std::string_view to_string(MethodOutcome outcome);
std::string_view to_string(TwinOperation operation);
std::string_view to_string(TwinOrigin origin);
std::string_view to_string(OperationResult result);

MethodOutcome method_outcome_of(const Error& error);
OperationResult operation_result_of(const Error& error);

// HubCounters is what the devices of one shard did since the start.
//
// Owner: the shard's DeviceDirectory; counted by its actors on the shard, copied for a scrape. Plain numbers.
struct HubCounters {
  std::array<std::uint64_t, kC2dEventCount> c2d{};
  std::array<std::uint64_t, kMethodOutcomeCount> methods{};
  std::uint64_t methods_under_way = 0;  // taken and not answered yet
  SecondsHistogram method_seconds;      // of those that were answered, from the call to the answer
  std::array<std::array<std::array<std::uint64_t, kOperationResultCount>, kTwinOriginCount>,
             kTwinOperationCount>
      twins{};

  void count(C2dEvent event, std::uint64_t times = 1) { c2d[static_cast<std::size_t>(event)] += times; }
  void count(MethodOutcome outcome) { ++methods[static_cast<std::size_t>(outcome)]; }
  void count(TwinOperation operation, TwinOrigin origin, OperationResult result) {
    ++twins[static_cast<std::size_t>(operation)][static_cast<std::size_t>(origin)]
           [static_cast<std::size_t>(result)];
  }
  void add(const HubCounters& other);
};

}  // namespace kyanite
