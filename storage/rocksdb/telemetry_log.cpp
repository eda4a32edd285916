#include "storage/rocksdb/telemetry_log.h"

#include <algorithm>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

Error unknown_partition() { return Error(Errc::argument_invalid, "there is no such partition"); }

}  // namespace

RocksdbTelemetryLog::RocksdbTelemetryLog(Database& database)
    : database_(database), committed_(database.partitions()) {}

Result<std::unique_ptr<RocksdbTelemetryLog>> RocksdbTelemetryLog::recover(Database& database) {
  std::unique_ptr<RocksdbTelemetryLog> log(new RocksdbTelemetryLog(database));
  for (std::uint32_t p = 0; p < database.partitions(); ++p) {
    if (const Result<void> recovered = log->recover_partition(p); !recovered) return recovered.error();
  }
  return log;
}

Result<void> RocksdbTelemetryLog::recover_partition(std::uint32_t partition) {
  std::string stored;
  const auto status = database_.db().Get(rocksdb::ReadOptions(), keys::log_begin(partition), &stored);
  if (!status.ok() && !status.IsNotFound()) return storage_error("reading where telemetry begins", status);
  // The stored begin outlives the records, so that offsets go on growing when a partition was emptied.
  std::uint64_t begin = status.ok() ? keys::to_number(stored).value_or(0) : 0;
  std::uint64_t end = begin;
  const std::unique_ptr<rocksdb::Iterator> row(
      database_.db().NewIterator(rocksdb::ReadOptions(), database_.telemetry(partition)));
  row->SeekToLast();
  if (row->Valid()) {
    const auto last = keys::to_number(row->key().ToStringView());
    if (!last) return Error(Errc::storage_failed, "a telemetry key is damaged");
    end = std::max(end, *last + 1);
    committed_[partition].last_enqueued =
        telemetry_enqueued(row->value().ToStringView()).time_since_epoch().count();
    row->SeekToFirst();
    if (row->Valid()) begin = std::max(begin, keys::to_number(row->key().ToStringView()).value_or(0));
  }
  if (!row->status().ok()) return storage_error("reading the end of telemetry", row->status());
  committed_[partition].begin = begin;
  committed_[partition].end = end;
  return {};
}

void RocksdbTelemetryLog::connect(CommitQueue& queue, ReadPool& readers) {
  queue_ = &queue;
  readers_ = &readers;
}

std::uint32_t RocksdbTelemetryLog::partitions() const {
  return static_cast<std::uint32_t>(committed_.size());
}

void RocksdbTelemetryLog::append(TelemetryBatch batch) {
  for (const TelemetryAppend& append : batch.appends)
    KYANITE_ASSERT(append.partition.value < committed_.size());
  queue_->append(std::move(batch));
}

void RocksdbTelemetryLog::read(PartitionId partition, TelemetryOffset from, std::size_t max_records,
                               std::size_t max_bytes, Reply<TelemetryPage> reply) {
  if (partition.value >= committed_.size()) return reply(unknown_partition());
  readers_->run<TelemetryPage>(std::move(reply),
                               [=, this] { return read_page(partition, from, max_records, max_bytes); });
}

Result<TelemetryPage> RocksdbTelemetryLog::read_page(PartitionId partition, TelemetryOffset from,
                                                     std::size_t max_records, std::size_t max_bytes) const {
  const TelemetryRange kept = range(partition);
  TelemetryPage page;
  page.first_available = kept.begin;
  page.next = std::max(from, kept.begin);
  if (page.next >= kept.end) return page;
  const std::string bound = keys::of_number(kept.end.value);
  const rocksdb::Slice bound_slice(bound);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound_slice;
  const std::unique_ptr<rocksdb::Iterator> row(
      database_.db().NewIterator(options, database_.telemetry(partition.value)));
  std::size_t bytes = 0;
  for (row->Seek(keys::of_number(page.next.value)); row->Valid(); row->Next()) {
    if (page.records.size() >= max_records) break;
    bytes += row->value().size();
    if (bytes > max_bytes && !page.records.empty()) break;
    const auto offset = keys::to_number(row->key().ToStringView());
    if (!offset) return Error(Errc::storage_failed, "a telemetry key is damaged");
    Result<TelemetryRecord> record = decode_telemetry(TelemetryOffset{*offset}, row->value().ToStringView());
    if (!record) return record.error();
    page.records.push_back(std::move(*record));
    page.next.value = *offset + 1;
  }
  if (!row->status().ok()) return storage_error("reading telemetry", row->status());
  page.first_available = range(partition).begin;  // retention may have moved it meanwhile
  return page;
}

TelemetryRange RocksdbTelemetryLog::range(PartitionId partition) const {
  if (partition.value >= committed_.size()) return {};
  const Committed& committed = committed_[partition.value];
  TelemetryRange range;
  range.begin.value = committed.begin.load();  // before the end: it never passes an end seen later
  range.last_enqueued = WallTime(milliseconds(committed.last_enqueued.load()));
  range.end.value = committed.end.load();
  return range;
}

void RocksdbTelemetryLog::find_time(PartitionId partition, WallTime time, Reply<TelemetryOffset> reply) {
  if (partition.value >= committed_.size()) return reply(unknown_partition());
  readers_->run<TelemetryOffset>(std::move(reply), [=, this] { return search_time(partition, time); });
}

Result<TelemetryOffset> RocksdbTelemetryLog::search_time(PartitionId partition, WallTime time) const {
  const TelemetryRange kept = range(partition);
  std::uint64_t low = kept.begin.value;  // everything before it is older than `time`
  std::uint64_t high = kept.end.value;   // everything from it on is not
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const Result<WallTime> enqueued = enqueued_at(partition, middle);
    if (!enqueued) {
      // Retention may overtake the search; what it removed is older than what it kept.
      if (middle >= range(partition).begin.value) return enqueued.error();
      low = middle + 1;
    } else if (*enqueued < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return TelemetryOffset{low};
}

Result<WallTime> RocksdbTelemetryLog::enqueued_at(PartitionId partition, std::uint64_t offset) const {
  rocksdb::PinnableSlice bytes;
  const auto status = database_.db().Get(rocksdb::ReadOptions(), database_.telemetry(partition.value),
                                         keys::of_number(offset), &bytes);
  if (status.ok()) return telemetry_enqueued(bytes.ToStringView());
  if (!status.IsNotFound() || offset < range(partition).begin.value)
    return storage_error("reading telemetry", status);
  // Lost, which was accepted at a start: the next one tells as much, since times never go back.
  const std::unique_ptr<rocksdb::Iterator> row(
      database_.db().NewIterator(rocksdb::ReadOptions(), database_.telemetry(partition.value)));
  row->Seek(keys::of_number(offset));
  if (row->Valid()) return telemetry_enqueued(row->value().ToStringView());
  return storage_error("reading telemetry", row->status().ok() ? status : row->status());
}

WaitId RocksdbTelemetryLog::wait_past(PartitionId partition, TelemetryOffset offset,
                                      Reply<TelemetryOffset> reply) {
  WaitId id;
  TelemetryOffset end{};
  bool ended = false;
  {
    const std::lock_guard lock(mutex_);
    id.value = ++last_wait_;
    ended = waits_ended_;
    // The end is published before the commit thread takes this lock: a wait sees it here or is seen there.
    end = range(partition).end;
    if (!ended && partition.value < committed_.size() && end <= offset) {
      waits_.emplace(id.value, Wait{partition, offset, std::move(reply)});
      return id;
    }
  }
  if (partition.value >= committed_.size()) {
    reply(unknown_partition());
  } else if (ended) {
    reply(Error(Errc::shutting_down, "the store is closed"));
  } else {
    reply(end);
  }
  return id;
}

void RocksdbTelemetryLog::cancel_wait(WaitId wait) {
  Reply<TelemetryOffset> reply;
  {
    const std::lock_guard lock(mutex_);
    const auto at = waits_.find(wait.value);
    if (at == waits_.end()) return;
    reply = std::move(at->second.reply);
    waits_.erase(at);
  }
  reply(Error(Errc::shutting_down, "the wait was cancelled"));
}

void RocksdbTelemetryLog::publish(PartitionId partition, TelemetryOffset end, WallTime last_enqueued) {
  Committed& committed = committed_[partition.value];
  committed.last_enqueued.store(last_enqueued.time_since_epoch().count());
  committed.end.store(end.value);
}

void RocksdbTelemetryLog::answer_waits() {
  std::vector<std::pair<Reply<TelemetryOffset>, TelemetryOffset>> ready;
  {
    const std::lock_guard lock(mutex_);
    for (auto wait = waits_.begin(); wait != waits_.end();) {
      const TelemetryOffset end = range(wait->second.partition).end;
      if (end > wait->second.offset) {
        ready.emplace_back(std::move(wait->second.reply), end);
        wait = waits_.erase(wait);
      } else {
        ++wait;
      }
    }
  }
  for (auto& [reply, end] : ready) reply(end);
}

void RocksdbTelemetryLog::end_waits(const Error& error) {
  std::map<std::uint64_t, Wait> ended;
  {
    const std::lock_guard lock(mutex_);
    waits_ended_ = true;
    ended.swap(waits_);
  }
  for (auto& [id, wait] : ended) wait.reply(error);
}

void RocksdbTelemetryLog::set_begin(PartitionId partition, TelemetryOffset begin) {
  committed_[partition.value].begin.store(begin.value);
}

}  // namespace kyanite
