#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/reply.h"

namespace kyanite {

struct SnapshotFacts {
  std::string name;
  WallTime taken{};
  std::uint64_t bytes = 0;
};

// StoreControl keeps named snapshots of the whole store, and begins the hub anew with one of them or with an
// empty store, under test control.
//
// Threads: any shard may ask; replies go home. Bound: limits::kSnapshotsMax snapshots.
class StoreControl {
 public:
  virtual ~StoreControl() = default;

  virtual void list(Reply<std::vector<SnapshotFacts>> reply) = 0;
  // Takes the place of one that has the name. What was acknowledged before is in it. Errors: busy, io_failed.
  virtual void take(std::string name, Reply<SnapshotFacts> reply) = 0;
  virtual void remove(std::string name, Reply<void> reply) = 0;  // Errors: not_found

  // The present incarnation of the hub ends: connections are closed, requests under way answered, what was
  // accepted is committed, then the store changes in one step, so that a crash leaves either state. Ports
  // stay, and with a reset the policies; the clock is the real one and no fault in force. `changed` is called
  // on some thread with the number of the next incarnation when that is ready, or with why the store is what
  // it was; never when the process ends meanwhile. Errors: busy, not_found, io_failed, shutting_down.
  using Changed = UniqueFunction<void(Result<std::uint64_t>)>;
  virtual void restore(std::string name, Changed changed) = 0;
  virtual void reset(Changed changed) = 0;
};

}  // namespace kyanite
