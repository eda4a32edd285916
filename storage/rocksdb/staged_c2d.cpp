#include "storage/rocksdb/staged_c2d.h"

#include <memory>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {

Result<StoredQueue> read_queue(Database& database, const std::string& device,
                               const rocksdb::Snapshot* snapshot) {
  const std::string last = keys::after_device(device);
  const rocksdb::Slice bound(last);
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> row(database.db().NewIterator(options, database.c2d()));
  StoredQueue queue;
  for (row->Seek(keys::next_message(device)); row->Valid(); row->Next()) {
    const auto sequence = keys::message_sequence(row->key().ToStringView(), device);
    if (!sequence) {
      queue.next_sequence = keys::to_number(row->value().ToStringView()).value_or(1);
      continue;
    }
    Result<C2dHeader> header = decode_c2d_header(*sequence, row->value().ToStringView());
    if (!header) return header.error();
    queue.headers.push_back(std::move(*header));
  }
  if (!row->status().ok()) return storage_error("reading the messages of a device", row->status());
  return queue;
}

Result<std::uint64_t> StagedC2d::next_sequence(const std::string& device) {
  if (const auto staged = next_.find(device); staged != next_.end()) return staged->second;
  rocksdb::PinnableSlice bytes;
  const auto status =
      database_.db().Get(rocksdb::ReadOptions(), database_.c2d(), keys::next_message(device), &bytes);
  if (status.IsNotFound()) return 1;
  if (!status.ok()) return storage_error("reading the end of a queue", status);
  return keys::to_number(bytes.ToStringView()).value_or(1);
}

Result<std::optional<C2dHeader>> StagedC2d::find(const std::string& device, std::uint64_t sequence) {
  const std::string key = keys::of_message(device, sequence);
  if (const auto staged = headers_.find(key); staged != headers_.end()) return staged->second;
  rocksdb::PinnableSlice bytes;
  const auto status = database_.db().Get(rocksdb::ReadOptions(), database_.c2d(), key, &bytes);
  if (status.IsNotFound()) return std::optional<C2dHeader>();
  if (!status.ok()) return storage_error("reading a message", status);
  Result<C2dHeader> header = decode_c2d_header(sequence, bytes.ToStringView());
  if (!header) return header.error();
  return std::optional(std::move(*header));
}

Result<std::vector<C2dHeader>> StagedC2d::all(const std::string& device) {
  Result<StoredQueue> stored = read_queue(database_, device, nullptr);
  if (!stored) return stored.error();
  std::map<std::uint64_t, C2dHeader> present;
  for (C2dHeader& header : stored->headers) present[header.sequence] = std::move(header);
  const std::string last = keys::after_device(device);
  for (auto staged = headers_.lower_bound(keys::next_message(device));
       staged != headers_.end() && staged->first < last; ++staged) {
    const std::uint64_t sequence = keys::message_sequence(staged->first, device).value_or(0);
    if (staged->second) {
      present[sequence] = *staged->second;
    } else {
      present.erase(sequence);
    }
  }
  std::vector<C2dHeader> headers;
  for (auto& [sequence, header] : present) headers.push_back(std::move(header));
  return headers;
}

void StagedC2d::append(const std::string& device, const C2dHeader& header, std::string_view body) {
  const std::string key = keys::of_message(device, header.sequence);
  batch_.Put(database_.c2d(), key, encode_c2d_header(header));
  batch_.Put(database_.c2d_body(), key, rocksdb::Slice(body.data(), body.size()));
  batch_.Put(database_.c2d_expiry(), keys::of_expiry(header.expiry, key), rocksdb::Slice());
  const std::uint64_t next = header.sequence + 1;
  batch_.Put(database_.c2d(), keys::next_message(device), keys::of_number(next));
  headers_[key] = header;
  next_[device] = next;
}

void StagedC2d::update(const std::string& device, const C2dHeader& header) {
  const std::string key = keys::of_message(device, header.sequence);
  batch_.Put(database_.c2d(), key, encode_c2d_header(header));
  headers_[key] = header;
}

void StagedC2d::erase(const std::string& device, const C2dHeader& header) {
  const std::string key = keys::of_message(device, header.sequence);
  batch_.Delete(database_.c2d(), key);
  batch_.Delete(database_.c2d_body(), key);
  batch_.Delete(database_.c2d_expiry(), keys::of_expiry(header.expiry, key));
  headers_[key] = std::nullopt;
}

void StagedC2d::forget(const std::string& device) {
  batch_.Delete(database_.c2d(), keys::next_message(device));
  next_[device] = 1;
}

void StagedC2d::clear() {
  headers_.clear();
  next_.clear();
}

}  // namespace kyanite
