#pragma once

#include <utility>
#include <vector>

#include "storage/telemetry_log.h"

namespace kyanite::test {

// Keeps what is appended, unlike a log: nothing is ever committed.
class CatchingLog : public TelemetryLog {
 public:
  std::uint32_t partitions() const override { return 4; }
  void append(TelemetryBatch batch) override { batches.push_back(std::move(batch)); }
  void read(PartitionId, TelemetryOffset, std::size_t, std::size_t, Reply<TelemetryPage>) override {}
  TelemetryRange range(PartitionId) const override { return {}; }
  void find_time(PartitionId, WallTime, Reply<TelemetryOffset>) override {}
  WaitId wait_past(PartitionId, TelemetryOffset, Reply<TelemetryOffset>) override { return {}; }
  void cancel_wait(WaitId) override {}

  std::vector<TelemetryBatch> batches;
};

}  // namespace kyanite::test
