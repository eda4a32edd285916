#pragma once

#include <rocksdb/write_batch.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "storage/records.h"
#include "storage/rocksdb/database.h"

namespace kyanite {

// StagedC2d is the part of a commit group that concerns queues of messages: reads see the database with what
// earlier steps of the group did on top. Header, body and expiry row of a message are written and removed
// together.
//
// Owner: StagedGroup; commit thread only. Bound: the group's.
class StagedC2d {
 public:
  StagedC2d(Database& database, rocksdb::WriteBatch& batch) : database_(database), batch_(batch) {}

  Result<std::uint64_t> next_sequence(const std::string& device);
  Result<std::optional<C2dHeader>> find(const std::string& device, std::uint64_t sequence);
  Result<std::vector<C2dHeader>> all(const std::string& device);

  void append(const std::string& device, const C2dHeader& header, std::string_view body);
  void update(const std::string& device, const C2dHeader& header);
  void erase(const std::string& device, const C2dHeader& header);
  // The device goes: its queue starts at 1 if it comes again. Its messages are erased before.
  void forget(const std::string& device);

  void clear();  // the group was written

 private:
  Database& database_;
  rocksdb::WriteBatch& batch_;
  std::map<std::string, std::optional<C2dHeader>> headers_;  // by key: written or erased in this group
  std::map<std::string, std::uint64_t> next_;                // by device
};

// All headers of a device and its next sequence as committed.
struct StoredQueue {
  std::vector<C2dHeader> headers;
  std::uint64_t next_sequence = 1;
};
Result<StoredQueue> read_queue(Database& database, const std::string& device,
                               const rocksdb::Snapshot* snapshot);

}  // namespace kyanite
