#pragma once

#include <functional>
#include <vector>

#include "config/settings.h"
#include "storage/rocksdb/commit_queue.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/telemetry_log.h"

namespace kyanite {

// GroupWriter turns commit groups into RocksDB writes and gives telemetry its offsets and times.
//
// Owner: RocksdbStores; after construction the commit thread only.
class GroupWriter final : public CommitTarget {
 public:
  GroupWriter(Database& database, RocksdbTelemetryLog& log, Durability durability, StagedGroup::Totals totals,
              std::function<WallTime()> wall_clock,
              std::function<void(const Error&)> on_read_failure = nullptr);

  void stage(TelemetryAppend& append) override;
  Result<void> stage(StoreStep& step) override;
  Result<void> commit() override;
  void publish() override;

 private:
  struct Tail {
    std::uint64_t next = 0;
    WallTime last_enqueued = kNever;
    bool touched = false;  // in the present group
  };
  WallTime group_time();

  Database& database_;
  RocksdbTelemetryLog& log_;
  const std::function<WallTime()> wall_clock_;
  const std::function<void(const Error&)> on_read_failure_;  // of a step: it is refused
  rocksdb::WriteOptions write_options_;
  StagedGroup group_;
  std::vector<Tail> tails_;
  std::optional<WallTime> group_time_;
};

}  // namespace kyanite
