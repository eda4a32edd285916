#include "storage/rocksdb/group_writer.h"

#include <algorithm>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {

GroupWriter::GroupWriter(Database& database, RocksdbTelemetryLog& log, Durability durability,
                         StagedGroup::Totals totals, std::function<WallTime()> wall_clock,
                         std::function<void(const Error&)> on_read_failure)
    : database_(database),
      log_(log),
      wall_clock_(std::move(wall_clock)),
      on_read_failure_(std::move(on_read_failure)),
      group_(database, totals) {
  write_options_.sync = durability == Durability::fsync;
  for (std::uint32_t p = 0; p < database.partitions(); ++p) {
    const TelemetryRange range = log.range(PartitionId{p});
    tails_.push_back({range.end.value, range.last_enqueued, false});
  }
}

// One reading of the clock for a group: its records are committed together.
WallTime GroupWriter::group_time() {
  if (!group_time_) group_time_ = wall_clock_();
  return *group_time_;
}

void GroupWriter::stage(TelemetryAppend& append) {
  KYANITE_ASSERT(append.partition.value < tails_.size());
  Tail& tail = tails_[append.partition.value];
  tail.last_enqueued = std::max(tail.last_enqueued, group_time());
  tail.touched = true;
  stamp_telemetry(append.record, tail.last_enqueued);
  group_.batch().Put(database_.telemetry(append.partition.value), keys::of_number(tail.next++),
                     append.record);
}

Result<void> GroupWriter::stage(StoreStep& step) {
  group_.events().clear();
  Result<void> staged = step(group_);
  if (!staged) {
    if (staged.error().code == Errc::storage_failed && on_read_failure_) on_read_failure_(staged.error());
    return staged;
  }
  for (TelemetryAppend& event : group_.events()) stage(event);
  return staged;
}

Result<void> GroupWriter::commit() {
  group_.add_totals_when_changed();
  if (group_.batch().Count() == 0) return {};  // every step was refused
  const auto status = database_.db().Write(write_options_, &group_.batch());
  if (!status.ok()) return storage_error("committing a group", status);
  return {};
}

void GroupWriter::publish() {
  group_.clear();
  group_time_.reset();
  bool telemetry = false;
  for (std::uint32_t p = 0; p < tails_.size(); ++p) {
    if (!std::exchange(tails_[p].touched, false)) continue;
    log_.publish(PartitionId{p}, TelemetryOffset{tails_[p].next}, tails_[p].last_enqueued);
    telemetry = true;
  }
  if (telemetry) log_.answer_waits();
}

}  // namespace kyanite
