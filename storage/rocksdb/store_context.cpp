#include "storage/rocksdb/store_context.h"

#include <utility>

namespace kyanite {

void StoreContext::write(StoreStep step, std::size_t bytes, Reply<void> reply) const {
  switch (gauge.value()) {
    case StorePressure::queue_full:
      return reply(Error(Errc::busy, "the commit queue is full"));
    case StorePressure::disk_low:
      return reply(Error(Errc::busy, "the disk is nearly full"));
    case StorePressure::none:
      break;
  }
  queue.write(std::move(step), bytes, std::move(reply));
}

std::size_t estimated_bytes(const std::vector<TelemetryAppend>& events) {
  std::size_t bytes = 0;
  for (const TelemetryAppend& event : events) bytes += sizeof event + event.record.size();
  return bytes;
}

}  // namespace kyanite
