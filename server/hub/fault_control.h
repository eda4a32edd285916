#pragma once

#include <functional>
#include <string>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "server/hub/active_faults.h"

namespace kyanite {

// A rule as it stands.
struct FaultView {
  FaultRule rule;
  std::uint64_t seen = 0;  // events that matched
  std::uint64_t hits = 0;  // of them those that were hit
  bool is_active = false;  // false before it begins, and in the answer about one that is over already
  milliseconds ends_in{0};
};

// FaultControl keeps the rules of fault injection on shard 0 and gives every shard a new ActiveFaults at each
// change: when a rule is added, begins, ends or is removed. Whoever saw an answer finds the change in force
// on all shards. Every rule ends: by its count, its duration, or limits::kFaultDuration without one.
//
// Threads: the methods may be called on any shard; work runs on shard 0 and replies go home.
// Bound: limits::kFaultRulesMax rules (Errc::busy beyond).
class FaultControl {
 public:
  // Hands the plan, null when no rule is in force, to every shard, and runs the task on shard 0 when all of
  // them have it. Called on shard 0.
  using Publish = std::function<void(ActiveFaultsPtr, Task)>;
  FaultControl(Executor& shard0, Publish publish);

  void list(Reply<std::vector<FaultView>> reply);
  // `rule` is valid in itself. Errors: conflict (the id is taken), busy.
  void add(FaultRule rule, Reply<FaultView> reply);
  // Errors: not_found.
  void remove(std::string id, Reply<void> reply);
  void clear(Reply<void> reply);

 private:
  struct Entry {
    FaultPtr fault;
    SteadyTime begins;
    SteadyTime ends;
    bool is_active = false;
  };

  void add_here(FaultRule rule, Reply<FaultView> reply);
  FaultView view(const Entry& entry) const;
  // Begins and ends rules by the time; true when the plan changed by it.
  bool update();
  void publish(Task published);
  void on_timer();
  void arm();

  Executor& shard0_;
  Publish publish_;
  std::vector<Entry> entries_;
  std::uint64_t next_number_ = 1;
  TimerId timer_;
};

}  // namespace kyanite
