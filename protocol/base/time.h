#pragma once

#include <chrono>

namespace kyanite {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Time that people and tokens speak of (UTC). It may step; nothing measures a duration with it.
using WallTime = std::chrono::time_point<std::chrono::system_clock, milliseconds>;

// Time that only moves forward; timeouts and keep-alive use it.
using SteadyTime = std::chrono::steady_clock::time_point;

inline constexpr WallTime kNever{};  // shown as 0001-01-01T00:00:00 (spec service-rest.md 1.8)

}  // namespace kyanite
