#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "config/settings.h"
#include "protocol/base/result.h"
#include "storage/rocksdb/log_judgement.h"
#include "storage/stores.h"

namespace rocksdb {
class FileSystem;
}

namespace kyanite {

// What the embedded engine asks of its surroundings; what follows retention_clock is for tests.
struct RocksdbHooks {
  // A commit or its sync failed: what reached the disk is unknown and nothing more will be answered as
  // success. Called once, on the commit thread; or RocksDB cannot write tables any more, then on a thread of
  // its own; or housekeeping threw, then on a reader thread. The application logs it and ends the process,
  // without close().
  std::function<void(const Error&)> on_fatal;
  // Something of the store could not be read, or be written for now, and the hub goes on without: a table is
  // damaged, or the disk fails. Any thread, as often as it happens.
  std::function<void(const Error&)> on_trouble;
  // At the opening: the log lost changes that had been committed, and the operator accepted it or durability
  // os promised nothing else; or its last write is not whole. Not called when the log is whole.
  std::function<void(const LogJudgement&)> on_log_found;
  // The wall clock ran ahead by so much; retention waits an hour before it believes that. On a reader thread.
  std::function<void(milliseconds ahead)> on_clock_step;
  // Stamps records; empty: the system's.
  std::function<WallTime()> wall_clock;
  std::function<WallTime()> retention_clock;         // how old records are; empty: wall_clock
  std::function<SteadyTime()> steady_clock;          // empty: the system's; for retention
  std::function<std::uint64_t()> free_bytes;         // empty: of the file system under the directory
  std::shared_ptr<rocksdb::FileSystem> file_system;  // null: the default; not used for the directory itself
  milliseconds housekeeping_interval{1000};  // free space is looked at so often, retention every 30th time
};

// Opens, or makes, the store in `directory` (mode 0700): checks its format, migrates an older one, starts the
// commit thread and the readers. A new store gets its hub id here.
// Errors: config_invalid (another process has it, a newer format, another number of partitions, each with a
// sentence for the operator), io_failed (not a directory, no permission, no space), storage_failed (damaged).
Result<std::unique_ptr<Stores>> open_rocksdb_stores(const std::filesystem::path& directory,
                                                    const Settings::Storage& settings, RocksdbHooks hooks);

// A copy of the store as it is now, in a directory that does not exist yet; its tables are shared with the
// store. Waits for the disk. `stores` is one that open_rocksdb_stores() made. Errors: io_failed.
Result<void> checkpoint_rocksdb_stores(Stores& stores, const std::filesystem::path& directory);

}  // namespace kyanite
