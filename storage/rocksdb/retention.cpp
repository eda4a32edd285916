#include "storage/rocksdb/retention.h"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <string>

#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"

namespace kyanite {
namespace {

WallTime newest_record(const RocksdbTelemetryLog& log) {
  WallTime newest{};
  for (std::uint32_t p = 0; p < log.partitions(); ++p) {
    newest = std::max(newest, log.range(PartitionId{p}).last_enqueued);
  }
  return newest;
}

}  // namespace

Retention::Retention(Database& database, RocksdbTelemetryLog& log, CommitQueue& queue,
                     const Settings::Storage& settings, RetentionClock::Sources clock)
    : database_(database),
      log_(log),
      queue_(queue),
      keep_(settings.retention),
      keep_bytes_(settings.retention_bytes),
      clock_(std::move(clock), newest_record(log)),
      dropped_before_(database.partitions()) {}

void Retention::run() {
  const WallTime now = clock_.now();
  for (std::uint32_t p = 0; p < dropped_before_.size(); ++p) {
    const PartitionId partition{p};
    apply_committed_begin(partition);
    const Result<TelemetryOffset> cut = find_cut(partition, now);
    // A read that failed is the readers' to report; the next run tries again.
    if (cut && *cut > log_.range(partition).begin) commit_begin(partition, *cut);
  }
}

Result<TelemetryOffset> Retention::find_cut(PartitionId partition, WallTime now) const {
  const Result<TelemetryOffset> by_time = log_.search_time(partition, now - keep_);
  if (!by_time || keep_bytes_ == 0) return by_time;
  const TelemetryRange kept = log_.range(partition);
  std::uint64_t low = by_time->value;
  std::uint64_t high = kept.end.value;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (bytes_from(partition, middle, kept.end.value) > keep_bytes_) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return TelemetryOffset{low};
}

// From the indexes of the files, without reading the records. Memtables are left out: RocksDB guesses their
// part from a few samples, and a guess too high would drop records that should stay.
std::uint64_t Retention::bytes_from(PartitionId partition, std::uint64_t offset, std::uint64_t end) const {
  const std::string first = keys::of_number(offset);
  const std::string last = keys::of_number(end);
  const rocksdb::Range range{first, last};
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = false;
  options.include_files = true;
  std::uint64_t bytes = 0;
  const auto status =
      database_.db().GetApproximateSizes(options, database_.telemetry(partition.value), &range, 1, &bytes);
  return status.ok() ? bytes : 0;
}

void Retention::commit_begin(PartitionId partition, TelemetryOffset cut) {
  StoreStep step = [partition, cut](StagedGroup& group) -> Result<void> {
    group.batch().Put(keys::log_begin(partition.value), keys::of_number(cut.value));
    return {};
  };
  queue_.write(std::move(step), 32, Reply<void>());
}

// What an earlier run committed takes effect. The log is synced first also where commits are not: without its
// stored beginning an emptied partition would start again at offset 0 after a power cut.
void Retention::apply_committed_begin(PartitionId partition) {
  std::string stored;
  if (!database_.db().Get(rocksdb::ReadOptions(), keys::log_begin(partition.value), &stored).ok()) return;
  const TelemetryOffset begin{keys::to_number(stored).value_or(0)};
  TelemetryOffset& dropped = dropped_before_[partition.value];
  if (begin <= dropped || !database_.db().SyncWAL().ok()) return;
  // What was found at the start may already begin later.
  log_.set_begin(partition, std::max(begin, log_.range(partition).begin));
  const std::string first = keys::of_number(0);
  const std::string last = keys::of_number(begin.value);
  const rocksdb::Slice first_slice(first);
  const rocksdb::Slice last_slice(last);
  const auto status = rocksdb::DeleteFilesInRange(&database_.db(), database_.telemetry(partition.value),
                                                  &first_slice, &last_slice, false);
  if (status.ok()) dropped = begin;
}

}  // namespace kyanite
