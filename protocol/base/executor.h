#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/time.h"
#include "protocol/base/unique_function.h"

namespace kyanite {

// Names a timer of one executor; 0 names none.
struct TimerId {
  std::uint64_t value = 0;
  explicit operator bool() const { return value != 0; }
};

// Executor is what the hub needs of a shard: run something there, later or soon, and tell the time.
// It is one of our two seams over Asio (the other is Channel); tests give it virtual time.
//
// Owner: the application; it outlives everything that posts to it.
// Threads: post, post_all and the clocks from anywhere; after and cancel on the executor's own thread only.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  // Runs the task later on this executor's thread, in the order posted by one thread; never inline.
  virtual void post(Task task) = 0;
  // The same for many with one wake-up.
  virtual void post_all(std::vector<Task> tasks) = 0;

  // Runs the task once, at least `delay` from now (resolution about 10 ms).
  virtual TimerId after(milliseconds delay, Task task) = 0;
  // Forgets a timer; one that already ran or never existed is ignored.
  virtual void cancel(TimerId timer) = 0;

  virtual SteadyTime now() const = 0;
  virtual WallTime wall_now() const = 0;
  virtual bool is_current() const = 0;  // true on the executor's own thread
};

}  // namespace kyanite
