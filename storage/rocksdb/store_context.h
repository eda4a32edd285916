#pragma once

#include <cstddef>

#include "storage/rocksdb/commit_queue.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/read_pool.h"

namespace kyanite {

// What the typed stores share. Owner: RocksdbStores.
struct StoreContext {
  Database& database;
  CommitQueue& queue;
  ReadPool& readers;
  const PressureGauge& gauge;

  // Submits a step of the control path; under pressure it is refused as busy before it takes a place.
  void write(StoreStep step, std::size_t bytes, Reply<void> reply) const;

  // Submits a step that takes rows away: never refused for pressure. A full queue would only fill further
  // behind messages that cannot end. On a disk that is nearly full the step still writes its deletions, and a
  // line of feedback, before compaction gives anything back; but what may be written so is bounded by the
  // messages queued already (no new one is taken), a small part of the floor that is kept free. Refused,
  // every message acknowledged meanwhile would be delivered again after a restart.
  void make_room(StoreStep step, std::size_t bytes, Reply<void> reply) const {
    queue.write(std::move(step), bytes, std::move(reply));
  }
};

// What a write takes beside its values: keys, the step itself, its places in queue and batch.
inline constexpr std::size_t kStepBytes = 256;
// About what the events of a write take.
std::size_t estimated_bytes(const std::vector<TelemetryAppend>& events);

}  // namespace kyanite
