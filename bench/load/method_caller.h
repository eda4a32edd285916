#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/latency.h"
#include "bench/load/target.h"
#include "protocol/base/result.h"

namespace kyanite::load {

struct MethodFigures {
  std::uint64_t completed = 0;  // 200 with the right payload
  std::uint64_t failed = 0;
  Latency latency;  // from the request to the whole answer
};

// Calls a direct method of each device over REST (service-rest.md 7), one call at a time for each device on a
// connection of its own, until the time is over; calls of the first `warmup` are left out. Errors: as
// create_devices().
Result<MethodFigures> call_methods(const Target& target, const std::vector<std::string>& ids,
                                   std::chrono::duration<double> warmup, std::chrono::duration<double> time);

}  // namespace kyanite::load
