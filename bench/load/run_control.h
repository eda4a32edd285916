#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace kyanite::load {

// The phases every run goes through; each begins when the main thread says so.
enum class Phase { opening, running, closing };

// RunControl is what the main thread and the workers share.
//
// Synchronised: the phase is an atomic the workers look at once a turn; counts of workers go under the mutex.
class RunControl {
 public:
  explicit RunControl(unsigned workers) : workers_(workers) {}

  Phase phase() const;  // closing too, once a signal asked for the end
  void advance(Phase phase) { phase_.store(phase, std::memory_order_release); }

  // Whether figures count now: not while warming up.
  bool measuring() const { return measuring_.load(std::memory_order_relaxed); }
  void set_measuring(bool on) { measuring_.store(on, std::memory_order_relaxed); }

  void report_ready();  // a worker: all its connections were tried
  void report_done();   // a worker: it has nothing more to do in this phase
  // Both return early when a signal asked for the end.
  void wait_ready();
  bool wait_done_for(std::chrono::duration<double> time);  // true: every worker is done

  static void stop_on_signals();  // SIGINT and SIGTERM
  static bool stop_requested();

 private:
  template <class Condition>
  bool wait(std::chrono::steady_clock::time_point until, Condition condition);

  const unsigned workers_;
  std::atomic<Phase> phase_{Phase::opening};
  std::atomic<bool> measuring_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned ready_ = 0;
  unsigned done_ = 0;
};

}  // namespace kyanite::load
