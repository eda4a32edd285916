#pragma once

#include <cstdint>
#include <optional>

#include "protocol/base/ids.h"
#include "protocol/base/time.h"

namespace kyanite {

// What a test wants to go wrong in the memory engine. It may be changed at any time between two events.
struct FaultPlan {
  // Commits wait until MemoryStores::release_commits().
  bool hold_commits = false;
  // Least time from the first write of a group to its commit.
  milliseconds commit_delay{0};
  // The commit with this number fails as a lost disk does: nothing of it is kept, it and everything after it
  // is answered storage_failed, telemetry is never acknowledged. Commits count from 1 for the life of the
  // store.
  std::optional<std::uint64_t> fail_commit;
  // Commits are answered before they are synced, as with durability `os`: crash() takes back what was
  // committed since the last MemoryStores::sync().
  bool lose_unsynced = false;
  // So many of the next reads of documents and scans of twins are refused, as by readers with too much to do.
  std::uint64_t busy_reads = 0;
  // A turn of a scan of twins is answered so much later.
  milliseconds scan_takes{0};
  // A page of documents is answered so much later than it was read.
  milliseconds document_scan_takes{0};
  // Reading the twin of this identity fails, as one does that is damaged on the disk.
  std::optional<Identity> unreadable_twin = std::nullopt;
};

}  // namespace kyanite
