#pragma once

#include <memory>
#include <vector>

#include "server/hub/fault_rule.h"

namespace kyanite {

// ActiveFaults is an immutable snapshot of the faults in force. Each shard holds a pointer, which is null as
// long as there are none: that check is all that a hub without faults pays.
//
// Threads: any; the counters of the faults are atomic.
class ActiveFaults {
 public:
  explicit ActiveFaults(std::vector<FaultPtr> faults) : faults_(std::move(faults)) {}

  // The first fault of the kind that matches the event and hits it; nullptr when it passes.
  Fault* take(FaultKind kind, const Identity& identity) const;
  Fault* take_drop(FaultMoment moment, const Identity& identity) const;
  // A fault of the kind that matches, without counting.
  FaultPtr find_cut(FaultDirection direction, const Identity& identity) const;
  bool holds_pubacks(const Identity& identity) const;
  // The same for a request, by a rule that acts before or after the operation.
  enum class Moment { before, after, either };
  Fault* take_request(FaultKind kind, Moment moment, const FaultRequest& request) const;

  bool has(const Fault& fault) const;
  const std::vector<FaultPtr>& faults() const { return faults_; }

 private:
  std::vector<FaultPtr> faults_;
};
using ActiveFaultsPtr = std::shared_ptr<const ActiveFaults>;

// The faults of `now` that were not in `before`; either may be null.
std::vector<FaultPtr> faults_begun(const ActiveFaultsPtr& before, const ActiveFaultsPtr& now);

}  // namespace kyanite
