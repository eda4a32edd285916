#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "server/runtime/shard.h"

namespace kyanite {

// ShardGroup owns all shards and their threads.
//
// Owner: the application, which calls start, stop and join in that order from one thread. What runs on the
// shards must be stopped before, and may be destroyed only after join. The loops themselves live until the
// group is destroyed.
class ShardGroup {
 public:
  // 0 means one shard per core. The clock, when there is one, is that of all shards and outlives them.
  explicit ShardGroup(unsigned count = 0, const HubClock* clock = nullptr);
  ~ShardGroup();  // stops and joins if that was not done
  ShardGroup(const ShardGroup&) = delete;
  ShardGroup& operator=(const ShardGroup&) = delete;

  unsigned count() const { return static_cast<unsigned>(shards_.size()); }
  Shard& shard(unsigned index) { return *shards_[index]; }

  void start();
  // True from start() to join(), for the thread that calls those.
  bool is_running() const { return !threads_.empty(); }
  // Asks every shard to end after the tasks posted so far.
  void stop();
  // Waits for the threads, then drops the tasks that came too late to run.
  void join();

 private:
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
  bool stop_asked_ = false;
};

}  // namespace kyanite
