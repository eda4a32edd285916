#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace kyanite {

// A file system that can lose what was not synced, fail a sync and run full. It passes everything to the real
// one and remembers how much of each written file was synced.
class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  // The write-ahead log's sync with this number, counted from now from 1, fails; 0 for none.
  void fail_log_sync(std::uint64_t number) {
    log_syncs_ = 0;
    fail_log_sync_ = number;
  }
  // So many more bytes fit on the disk.
  void set_free_bytes(std::uint64_t bytes) { free_bytes_ = bytes; }
  std::uint64_t log_syncs() const { return log_syncs_; }

  // The power goes: nothing is written from now on.
  void cut_power() { dead_ = true; }
  // After the database is gone: cuts every file back to what was synced.
  void drop_unsynced();

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  // For the files of this file system.
  rocksdb::IOStatus admit_write(std::size_t bytes);
  rocksdb::IOStatus admit_sync(const std::string& name);
  void synced(const std::string& name, std::uint64_t bytes);

 private:
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> synced_bytes_;  // guarded by mutex_
  std::map<std::string, std::string> renamed_;         // opened name to present name; guarded by mutex_
  std::atomic<bool> dead_ = false;
  std::atomic<std::uint64_t> fail_log_sync_ = 0;
  std::atomic<std::uint64_t> log_syncs_ = 0;
  std::atomic<std::uint64_t> free_bytes_ = UINT64_MAX;
};

}  // namespace kyanite
