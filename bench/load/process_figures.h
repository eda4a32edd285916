#pragma once

#include <cstdint>
#include <optional>

namespace kyanite::load {

// What the kernel says of one process (/proc/PID/stat and /proc/PID/status).
struct ProcessFigures {
  double cpu_seconds = 0;            // user and system, all threads
  std::uint64_t resident_bytes = 0;  // VmRSS
};

// Nothing when there is no such process or pid is 0.
std::optional<ProcessFigures> read_process(int pid);

// CPU time of this process itself: what the generator took beside the server.
double own_cpu_seconds();

}  // namespace kyanite::load
