#pragma once

#include <cstdint>

#include "protocol/base/histogram.h"
#include "storage/identity_store.h"

namespace kyanite {

// What an engine says about itself; totals are those since it was opened. An engine leaves at 0 what it does
// not have.
struct StoreStatistics {
  // Groups that were written and synced together.
  SizeHistogram group_operations;
  SecondsHistogram commit_seconds;  // from the first step of a group to its sync
  // From handing messages over to their commit, each message counted.
  SecondsHistogram telemetry_seconds;
  // Submitted and not answered yet.
  std::uint64_t waiting_operations = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t waiting_reads = 0;

  std::uint64_t table_bytes = 0;      // on disk
  std::uint64_t memory_bytes = 0;     // of what is not in tables yet
  std::uint64_t free_bytes = 0;       // of the file system
  std::uint64_t losses_accepted = 0;  // places where the log lost committed changes, at this opening
  std::uint64_t read_failures = 0;    // reads that failed because something is damaged
  IdentityCounts identities;
  std::uint64_t c2d_queued = 0;  // messages with their devices or waiting for them; an estimate
};

}  // namespace kyanite
