#pragma once

#include <cstdint>
#include <vector>

#include "config/settings.h"
#include "storage/rocksdb/commit_queue.h"
#include "storage/rocksdb/retention_clock.h"
#include "storage/rocksdb/telemetry_log.h"

namespace kyanite {

// Retention cuts each partition by age (by RetentionClock) and by size. A cut is first committed as the
// partition's new beginning; the next run moves readers there and drops the files that lie wholly before it.
// No range tombstone is written: one would span the live files and make compaction rewrite them. What stands
// before the cut in the one file that holds it goes with that file. Size is what the files take, compressed;
// what is still in a memtable comes on top.
//
// Owner: RocksdbStores; one thread at a time (the housekeeping tick). Bound: the reads of a binary search.
class Retention {
 public:
  Retention(Database& database, RocksdbTelemetryLog& log, CommitQueue& queue,
            const Settings::Storage& settings, RetentionClock::Sources clock);

  void run();  // every half minute or so

 private:
  Result<TelemetryOffset> find_cut(PartitionId partition, WallTime now) const;
  std::uint64_t bytes_from(PartitionId partition, std::uint64_t offset, std::uint64_t end) const;
  void commit_begin(PartitionId partition, TelemetryOffset cut);
  void apply_committed_begin(PartitionId partition);

  Database& database_;
  RocksdbTelemetryLog& log_;
  CommitQueue& queue_;
  const std::chrono::hours keep_;
  const std::uint64_t keep_bytes_;
  RetentionClock clock_;
  std::vector<TelemetryOffset> dropped_before_;  // by partition: whole files before it are gone
};

}  // namespace kyanite
