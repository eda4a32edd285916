#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "protocol/base/result.h"
#include "storage/rocksdb/log_judgement.h"
#include "storage/rocksdb/migrations.h"

namespace kyanite {

// Database is the opened RocksDB: its directory, column families and format.
//
// Owner: RocksdbStores. Its handles may be used from any thread; only the commit thread writes.
// Bound: options.cpp bounds log, memtables, cache and open files.
class Database {
 public:
  struct Options {
    std::uint32_t partitions = 4;
    rocksdb::Env* env = nullptr;  // null: the default; must outlive the database
    std::uint32_t format_version = kFormatVersion;
    std::vector<MigrationStep> steps = migration_steps();
    Durability durability = Durability::fsync;
    // The losses that the operator gives up, by the number that a refusal named; 0: none.
    std::uint64_t accept_damage = 0;
    // A flush, a compaction or the manifest failed for good: RocksDB takes no writes any more. On a thread of
    // its own.
    std::function<void(const Error&)> on_background_failure;
  };

  // Errors as open_rocksdb_stores() promises them.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& directory,
                                                const Options& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Before an orderly end: writes memtables to files, so that the next opening has no log to replay.
  void shorten_recovery();

  // What was wrong with the log and did not keep the store from opening: losses that the operator accepted,
  // and the end of a write that nobody was told of.
  const LogJudgement& log_found() const { return log_found_; }

  rocksdb::DB& db() { return *db_; }
  std::uint32_t partitions() const { return static_cast<std::uint32_t>(telemetry_.size()); }
  rocksdb::ColumnFamilyHandle* base() const { return base_; }  // the family named "default"
  rocksdb::ColumnFamilyHandle* identity() const { return identity_; }
  rocksdb::ColumnFamilyHandle* twin() const { return twin_; }
  rocksdb::ColumnFamilyHandle* session() const { return session_; }
  rocksdb::ColumnFamilyHandle* c2d() const { return c2d_; }
  rocksdb::ColumnFamilyHandle* c2d_body() const { return c2d_body_; }
  rocksdb::ColumnFamilyHandle* c2d_expiry() const { return c2d_expiry_; }
  rocksdb::ColumnFamilyHandle* feedback() const { return feedback_; }
  rocksdb::ColumnFamilyHandle* hub() const { return hub_; }
  rocksdb::ColumnFamilyHandle* document() const { return document_; }
  rocksdb::ColumnFamilyHandle* telemetry(std::uint32_t partition) const { return telemetry_[partition]; }

 private:
  Database() = default;
  Result<void> judge(const std::filesystem::path& directory, const Options& options);
  Result<void> judge_end(const std::filesystem::path& directory, const Options& options);
  Result<void> refuse_unless_accepted(const std::filesystem::path& directory, const Options& options) const;
  Result<void> leave_the_log_behind();
  Result<void> open_families(const std::filesystem::path& directory, const Options& options);
  Result<void> check_format(const std::filesystem::path& directory, const Options& options);
  Result<void> create_contents(const Options& options);
  Result<void> create_missing_families(const Options& options);
  rocksdb::ColumnFamilyHandle* find(std::string_view name) const;

  LogJudgement log_found_;
  std::shared_ptr<std::atomic<bool>> is_ending_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // all, released in the destructor
  rocksdb::ColumnFamilyHandle* base_ = nullptr;
  rocksdb::ColumnFamilyHandle* identity_ = nullptr;
  rocksdb::ColumnFamilyHandle* twin_ = nullptr;
  rocksdb::ColumnFamilyHandle* session_ = nullptr;
  rocksdb::ColumnFamilyHandle* c2d_ = nullptr;
  rocksdb::ColumnFamilyHandle* c2d_body_ = nullptr;
  rocksdb::ColumnFamilyHandle* c2d_expiry_ = nullptr;
  rocksdb::ColumnFamilyHandle* feedback_ = nullptr;
  rocksdb::ColumnFamilyHandle* hub_ = nullptr;
  rocksdb::ColumnFamilyHandle* document_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> telemetry_;
};

}  // namespace kyanite
