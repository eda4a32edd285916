#pragma once

#include <rocksdb/db.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "storage/rocksdb/log_judgement.h"

namespace kyanite {

// What the store says of itself.
struct StoreFacts {
  std::uint32_t format_version = 0;
  std::uint32_t partitions = 0;  // of the telemetry log
  std::string hub_id;
};

// ReadOnlyStore opens a store that no hub uses without writing a byte: what its log holds is replayed in
// memory only. For checks and backups.
//
// Owner: whoever opened it, one thread. Errors of open(): io_failed, storage_failed (damaged), config_invalid
// (made by a newer program), each with a sentence.
class ReadOnlyStore {
 public:
  static Result<std::unique_ptr<ReadOnlyStore>> open(const std::filesystem::path& directory);
  ~ReadOnlyStore();
  ReadOnlyStore(const ReadOnlyStore&) = delete;
  ReadOnlyStore& operator=(const ReadOnlyStore&) = delete;

  rocksdb::DB& db() { return *db_; }
  // Null for a family that is absent, as in a store of an older format.
  rocksdb::ColumnFamilyHandle* family(std::string_view name) const;
  const StoreFacts& facts() const { return facts_; }
  // What is wrong with the write-ahead log. RocksDB replays nothing that stands behind damage.
  const LogJudgement& log_found() const { return log_found_; }

 private:
  ReadOnlyStore() = default;
  Result<void> read_facts(const std::filesystem::path& directory);

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // all, released in the destructor
  StoreFacts facts_;
  LogJudgement log_found_;
};

// Refuses a store whose log lost changes, as a start does: storage_failed. No backup is made of it.
Result<StoreFacts> read_store_facts(const std::filesystem::path& directory);

}  // namespace kyanite
