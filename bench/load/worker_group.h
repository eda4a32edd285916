#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "bench/load/scenario.h"

namespace kyanite::load {

// WorkerGroup runs one scenario of a kind on each thread, each with its share of the devices.
template <class S>
class WorkerGroup {
 public:
  WorkerGroup(const Options& options, const TlsClient& tls, std::span<Device> devices, RunControl& control) {
    const std::size_t count = worker_count(options, devices.size());
    std::size_t first = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t last = devices.size() * (i + 1) / count;
      scenarios_.push_back(std::make_unique<S>(options, tls, devices.subspan(first, last - first), control,
                                               WorkerShare{i, count}));
      first = last;
    }
    for (const auto& scenario : scenarios_) threads_.emplace_back([&worker = *scenario] { worker.run(); });
  }
  ~WorkerGroup() { join(); }

  // Never more workers than devices.
  static std::size_t worker_count(const Options& options, std::size_t devices) {
    return std::min<std::size_t>(options.threads, devices);
  }

  void join() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  const std::vector<std::unique_ptr<S>>& scenarios() const { return scenarios_; }

  FailureCounts failures() const {
    FailureCounts all;
    for (const auto& scenario : scenarios_) {
      for (const auto& [reason, count] : scenario->failures()) all[reason] += count;
    }
    return all;
  }

 private:
  std::vector<std::unique_ptr<S>> scenarios_;
  std::vector<std::thread> threads_;
};

}  // namespace kyanite::load
