#include "storage/memory/memory_state.h"

#include <algorithm>
#include <utility>

#include "storage/record_codec.h"

namespace kyanite {

Result<void> MemoryState::apply(const IdentityChange& change) {
  for (const IdentityChange::Write& write : change.writes) {
    const auto present = identities.find(write.record.id);
    const bool matches = present == identities.end()
                             ? !write.expected_etag
                             : write.expected_etag && *write.expected_etag == present->second.etag_counter;
    if (!matches) return Error(Errc::precondition_failed, "the identity is not as its owner saw it");
  }
  for (const IdentityChange::Write& write : change.writes) {
    identities[write.record.id] = write.record;
    if (write.new_twin) twins[write.record.id] = *write.new_twin;
  }
  for (const IdentityChange::Erase& erase : change.erases) {
    const auto erased = [&](const auto& row) {
      return row.first == erase.id || (!erase.id.is_module() && row.first.device == erase.id.device);
    };
    std::erase_if(identities, erased);
    std::erase_if(twins, erased);
  }
  return {};
}

void MemoryState::append(TelemetryAppend& append, WallTime now) {
  KYANITE_ASSERT(append.partition.value < partitions.size());
  Partition& partition = partitions[append.partition.value];
  partition.last_enqueued = std::max(partition.last_enqueued, now);
  stamp_telemetry(append.record, partition.last_enqueued);
  partition.records.push_back(std::move(append.record));
}

IdentityCounts MemoryState::count() const {
  IdentityCounts counts;
  for (const auto& [id, record] : identities) {
    if (id.is_module()) continue;
    ++counts.devices;
    if (record.status == IdentityStatus::disabled) ++counts.disabled;
  }
  return counts;
}

}  // namespace kyanite
