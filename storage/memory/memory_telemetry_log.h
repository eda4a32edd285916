#pragma once

#include <cstdint>
#include <vector>

#include "storage/memory/memory_stores.h"

namespace kyanite {

// The telemetry log over MemoryState. Owner: MemoryStores.
class MemoryTelemetryLog final : public TelemetryLog {
 public:
  explicit MemoryTelemetryLog(MemoryStores& stores) : stores_(stores) {}
  std::uint32_t partitions() const override;
  void append(TelemetryBatch batch) override;
  void read(PartitionId partition, TelemetryOffset from, std::size_t max_records, std::size_t max_bytes,
            Reply<TelemetryPage> reply) override;
  TelemetryRange range(PartitionId partition) const override;
  void find_time(PartitionId partition, WallTime time, Reply<TelemetryOffset> reply) override;
  WaitId wait_past(PartitionId partition, TelemetryOffset offset, Reply<TelemetryOffset> reply) override;
  void cancel_wait(WaitId wait) override;

  void answer_waits();  // after each commit
  void end_waits(const Error& error);

 private:
  struct Wait {
    std::uint64_t id;
    PartitionId partition;
    TelemetryOffset offset;
    Reply<TelemetryOffset> reply;
  };
  const MemoryState::Partition* find(PartitionId partition) const;

  MemoryStores& stores_;
  std::vector<Wait> waits_;
  std::uint64_t last_wait_ = 0;
};

}  // namespace kyanite
