#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/load/event_loop.h"
#include "bench/load/fleet.h"
#include "bench/load/link.h"
#include "bench/load/options.h"
#include "bench/load/run_control.h"

namespace kyanite::load {

using SteadyTime = std::chrono::steady_clock::time_point;
using FailureCounts = std::map<std::string, std::uint64_t>;

// Which worker of how many this is: totals are dealt out by it.
struct WorkerShare {
  std::size_t index = 0;
  std::size_t count = 1;

  std::uint64_t of(std::uint64_t total) const { return total * (index + 1) / count - total * index / count; }
};

// Scenario is one worker: a thread's event loop, a link for each of its devices, and what a mode does with
// them.
//
// Owner: WorkerGroup. run() is called on the worker's thread, everything else before it starts or after it
// ended.
class Scenario : protected LinkObserver {
 public:
  Scenario(const Options& options, const TlsClient& tls, std::span<Device> devices, RunControl& control);
  virtual ~Scenario() = default;

  void run();  // until finish()

  const FailureCounts& failures() const { return failures_; }

 protected:
  virtual void tick(SteadyTime now) = 0;  // once a turn
  virtual int turn_ms() const { return 20; }

  // Opens the links one after another, some at once; call it each turn. True when each was tried.
  bool open_links();
  // Closes links that take too long to open, and sends pings. Looks at the links once a second only.
  void look_after_links(SteadyTime now);
  void link_opened() { --opening_; }
  void count_failure(std::string_view reason);
  void finish() { finished_ = true; }

  const Options& options_;
  RunControl& control_;
  EventLoop loop_;
  LinkContext context_;
  std::vector<std::unique_ptr<Link>> links_;

 private:
  FailureCounts failures_;
  std::size_t next_to_open_ = 0;
  std::size_t opening_ = 0;
  SteadyTime looked_at_{};
  bool finished_ = false;
};

}  // namespace kyanite::load
