#include "storage/memory/memory_telemetry_log.h"

#include <algorithm>
#include <utility>

#include "storage/record_codec.h"

namespace kyanite {
namespace {

Error unknown_partition() { return Error(Errc::argument_invalid, "there is no such partition"); }

}  // namespace

const MemoryState::Partition* MemoryTelemetryLog::find(PartitionId partition) const {
  const auto& all = stores_.state_.partitions;
  return partition.value < all.size() ? &all[partition.value] : nullptr;
}

std::uint32_t MemoryTelemetryLog::partitions() const {
  return static_cast<std::uint32_t>(stores_.state_.partitions.size());
}

void MemoryTelemetryLog::append(TelemetryBatch batch) {
  for (const TelemetryAppend& append : batch.appends) KYANITE_ASSERT(find(append.partition) != nullptr);
  // Telemetry under pressure is still taken: its senders stop being read, what they sent before has a place.
  if (!batch.appends.empty() && !stores_.closed_ && !stores_.failed_) stores_.enqueue(std::move(batch));
}

void MemoryTelemetryLog::read(PartitionId partition, TelemetryOffset from, std::size_t max_records,
                              std::size_t max_bytes, Reply<TelemetryPage> reply) {
  const MemoryState::Partition* log = find(partition);
  if (!log) return reply(unknown_partition());
  TelemetryPage page;
  page.first_available.value = log->begin;
  std::uint64_t at = std::max(from.value, log->begin);
  std::size_t bytes = 0;
  for (; at < log->end() && page.records.size() < max_records; ++at) {
    const std::string& encoded = log->records[static_cast<std::size_t>(at - log->begin)];
    bytes += encoded.size();
    if (bytes > max_bytes && !page.records.empty()) break;
    Result<TelemetryRecord> record = decode_telemetry(TelemetryOffset{at}, encoded);
    if (!record) return reply(record.error());
    page.records.push_back(std::move(*record));
  }
  page.next.value = at;
  reply(std::move(page));
}

TelemetryRange MemoryTelemetryLog::range(PartitionId partition) const {
  const MemoryState::Partition* log = find(partition);
  if (!log) return {};
  return {TelemetryOffset{log->begin}, TelemetryOffset{log->end()}, log->last_enqueued};
}

void MemoryTelemetryLog::find_time(PartitionId partition, WallTime time, Reply<TelemetryOffset> reply) {
  const MemoryState::Partition* log = find(partition);
  if (!log) return reply(unknown_partition());
  const auto at =
      std::partition_point(log->records.begin(), log->records.end(),
                           [&](const std::string& record) { return telemetry_enqueued(record) < time; });
  reply(TelemetryOffset{log->begin + static_cast<std::uint64_t>(at - log->records.begin())});
}

WaitId MemoryTelemetryLog::wait_past(PartitionId partition, TelemetryOffset offset,
                                     Reply<TelemetryOffset> reply) {
  const WaitId id{++last_wait_};
  const MemoryState::Partition* log = find(partition);
  if (!log) {
    reply(unknown_partition());
  } else if (stores_.closed_) {
    reply(Error(Errc::shutting_down, "the store is closed"));
  } else if (log->end() > offset.value) {
    reply(TelemetryOffset{log->end()});
  } else {
    waits_.push_back({id.value, partition, offset, std::move(reply)});
  }
  return id;
}

void MemoryTelemetryLog::cancel_wait(WaitId wait) {
  const auto at =
      std::find_if(waits_.begin(), waits_.end(), [&](const Wait& w) { return w.id == wait.value; });
  if (at == waits_.end()) return;
  Reply<TelemetryOffset> reply = std::move(at->reply);
  waits_.erase(at);
  reply(Error(Errc::shutting_down, "the wait was cancelled"));
}

void MemoryTelemetryLog::answer_waits() {
  std::vector<Wait> still;
  for (Wait& wait : waits_) {
    const TelemetryOffset end = range(wait.partition).end;
    if (end > wait.offset) {
      wait.reply(end);
    } else {
      still.push_back(std::move(wait));
    }
  }
  waits_ = std::move(still);
}

void MemoryTelemetryLog::end_waits(const Error& error) {
  for (Wait& wait : std::exchange(waits_, {})) wait.reply(error);
}

}  // namespace kyanite
