#pragma once

// Shared between threads: committed ends are atomics; one mutex guards the waits.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/rocksdb/commit_queue.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/read_pool.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// RocksdbTelemetryLog keeps each partition in a column family of its own, keyed by offset. Because keys only
// grow, compaction moves files without rewriting them, and retention drops whole files.
//
// Owner: RocksdbStores. Reads run on the readers; appends go to the commit queue.
class RocksdbTelemetryLog final : public TelemetryLog {
 public:
  // Finds where each partition begins and ends.
  static Result<std::unique_ptr<RocksdbTelemetryLog>> recover(Database& database);
  // The queue and the readers come after the log, since the commit thread publishes into it.
  void connect(CommitQueue& queue, ReadPool& readers);

  std::uint32_t partitions() const override;
  void append(TelemetryBatch batch) override;
  void read(PartitionId partition, TelemetryOffset from, std::size_t max_records, std::size_t max_bytes,
            Reply<TelemetryPage> reply) override;
  TelemetryRange range(PartitionId partition) const override;
  void find_time(PartitionId partition, WallTime time, Reply<TelemetryOffset> reply) override;
  WaitId wait_past(PartitionId partition, TelemetryOffset offset, Reply<TelemetryOffset> reply) override;
  void cancel_wait(WaitId wait) override;

  // Commit thread: the group is durable. Publish each partition touched, then answer who waits for it.
  void publish(PartitionId partition, TelemetryOffset end, WallTime last_enqueued);
  void answer_waits();
  void end_waits(const Error& error);

  // Retention, on a reader thread: readers begin here from now on.
  void set_begin(PartitionId partition, TelemetryOffset begin);
  // First offset in the partition whose record was enqueued at or after `time`. Blocks on reads.
  Result<TelemetryOffset> search_time(PartitionId partition, WallTime time) const;

 private:
  struct Committed {
    std::atomic<std::uint64_t> begin = 0;
    std::atomic<std::uint64_t> end = 0;
    std::atomic<std::int64_t> last_enqueued = 0;  // milliseconds of WallTime
  };
  struct Wait {
    PartitionId partition;
    TelemetryOffset offset;
    Reply<TelemetryOffset> reply;
  };

  explicit RocksdbTelemetryLog(Database& database);
  Result<void> recover_partition(std::uint32_t partition);
  Result<TelemetryPage> read_page(PartitionId partition, TelemetryOffset from, std::size_t max_records,
                                  std::size_t max_bytes) const;
  Result<WallTime> enqueued_at(PartitionId partition, std::uint64_t offset) const;

  Database& database_;
  CommitQueue* queue_ = nullptr;
  ReadPool* readers_ = nullptr;
  std::vector<Committed> committed_;
  std::mutex mutex_;
  std::map<std::uint64_t, Wait> waits_;  // guarded by mutex_
  std::uint64_t last_wait_ = 0;          // guarded by mutex_
  bool waits_ended_ = false;             // guarded by mutex_
};

}  // namespace kyanite
