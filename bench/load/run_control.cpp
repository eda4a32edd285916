#include "bench/load/run_control.h"

#include <csignal>

namespace kyanite::load {
namespace {

std::atomic<bool> stop_flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

// A handler cannot notify a condition variable, so waits look at the flag this often.
constexpr auto kLookAtFlag = std::chrono::milliseconds(100);

}  // namespace

void RunControl::stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_flag.store(true); };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;  // OpenSSL writes to sockets that peers may have closed
  sigaction(SIGPIPE, &action, nullptr);
}

bool RunControl::stop_requested() { return stop_flag.load(std::memory_order_relaxed); }

Phase RunControl::phase() const {
  return stop_requested() ? Phase::closing : phase_.load(std::memory_order_acquire);
}

void RunControl::report_ready() {
  const std::lock_guard lock(mutex_);
  ++ready_;
  changed_.notify_all();
}

void RunControl::report_done() {
  const std::lock_guard lock(mutex_);
  ++done_;
  changed_.notify_all();
}

template <class Condition>
bool RunControl::wait(std::chrono::steady_clock::time_point until, Condition condition) {
  std::unique_lock lock(mutex_);
  while (!condition()) {
    const auto now = std::chrono::steady_clock::now();
    if (stop_requested() || now >= until) return false;
    changed_.wait_until(lock, std::min(until, now + kLookAtFlag));
  }
  return true;
}

void RunControl::wait_ready() {
  wait(std::chrono::steady_clock::time_point::max(), [this] { return ready_ == workers_; });
}

bool RunControl::wait_done_for(std::chrono::duration<double> time) {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::duration_cast<std::chrono::steady_clock::duration>(time);
  return wait(until, [this] { return done_ == workers_; });
}

}  // namespace kyanite::load
