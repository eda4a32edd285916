#pragma once

// Broken beliefs stop the process, in release builds too (a supervisor restarts it and the store recovers).
// Expected failures (a peer's bytes, a missing device) are never asserted: they are Results.

namespace kyanite {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace kyanite

#define KYANITE_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::kyanite::assertion_failed(#expression, __FILE__, __LINE__))
