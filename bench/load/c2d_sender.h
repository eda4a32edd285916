#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/target.h"
#include "protocol/base/result.h"

namespace kyanite::load {

// How cloud-to-device messages are sent.
struct SendPlan {
  // Messages for each device, bodies "0", "1", ...; 0: until the time is over, and each body is the moment of
  // its sending, in nanoseconds of the steady clock.
  std::uint32_t per_device = 0;
  std::chrono::duration<double> time{0};
  std::size_t at_once = 64;  // requests under way
};

struct SendFigures {
  std::uint64_t sent = 0;  // answered 204
  std::uint64_t failed = 0;
  double seconds = 0;
};

// Sends messages over REST (service-rest.md 8.2), those of a device one after another. Errors: as
// create_devices().
Result<SendFigures> send_messages(const Target& target, const std::vector<std::string>& ids,
                                  const SendPlan& plan);

}  // namespace kyanite::load
