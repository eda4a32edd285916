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

  // Answered before the present incarnation of the hub ends, with the number of the next one: connections are
  // closed, requests under way answered, what was accepted is committed, then the store changes in one step,
  // so that a crash leaves either state. Ports stay, and with a reset the policies; the clock is the real one
  // and no fault in force.
  virtual void restore(std::string name, Reply<std::uint64_t> reply) = 0;  // Errors: not_found
  virtual void reset(Reply<std::uint64_t> reply) = 0;
};

}  // namespace kyanite
