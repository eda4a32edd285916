#include "tests/crash/faulty_file_system.h"

#include <utility>

namespace kyanite {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(std::unique_ptr<rocksdb::FSWritableFile> file, FaultyFileSystem& system, std::string name)
      : FSWritableFileOwnerWrapper(std::move(file)), system_(system), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus refused = system_.admit_write(data.size()); !refused.ok()) return refused;
    written_ += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification, IODebugContext* debug) override {
    if (IOStatus refused = system_.admit_write(data.size()); !refused.ok()) return refused;
    written_ += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus refused = system_.admit_sync(name_); !refused.ok()) return refused;
    const std::uint64_t bytes = written_;
    IOStatus status = FSWritableFileOwnerWrapper::Sync(options, debug);
    if (status.ok()) system_.synced(name_, bytes);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus refused = system_.admit_sync(name_); !refused.ok()) return refused;
    const std::uint64_t bytes = written_;
    IOStatus status = FSWritableFileOwnerWrapper::Fsync(options, debug);
    if (status.ok()) system_.synced(name_, bytes);
    return status;
  }

 private:
  FaultyFileSystem& system_;
  const std::string name_;
  std::uint64_t written_ = 0;
};

}  // namespace

IOStatus FaultyFileSystem::admit_write(std::size_t bytes) {
  if (dead_) return IOStatus::IOError("the power is gone");
  if (free_bytes_ == UINT64_MAX) return IOStatus::OK();
  if (free_bytes_ < bytes) return IOStatus::NoSpace("the disk is full");
  free_bytes_ -= bytes;
  return IOStatus::OK();
}

IOStatus FaultyFileSystem::admit_sync(const std::string& name) {
  if (dead_) return IOStatus::IOError("the power is gone");
  if (!name.ends_with(".log")) return IOStatus::OK();
  if (++log_syncs_ == fail_log_sync_) return IOStatus::IOError("the sync failed");
  return IOStatus::OK();
}

void FaultyFileSystem::synced(const std::string& name, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto renamed = renamed_.find(name);
  synced_bytes_[renamed == renamed_.end() ? name : renamed->second] = bytes;
}

void FaultyFileSystem::drop_unsynced() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, bytes] : synced_bytes_) {
    std::error_code error;
    if (std::filesystem::exists(name, error) && std::filesystem::file_size(name, error) > bytes) {
      std::filesystem::resize_file(name, bytes);
    }
  }
}

IOStatus FaultyFileSystem::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                                           IODebugContext* debug) {
  if (dead_) return IOStatus::IOError("the power is gone");
  std::unique_ptr<rocksdb::FSWritableFile> real;
  IOStatus status = FileSystemWrapper::NewWritableFile(name, options, &real, debug);
  if (!status.ok()) return status;
  {
    const std::lock_guard lock(mutex_);
    synced_bytes_[name] = 0;
    renamed_.erase(name);
  }
  *file = std::make_unique<FaultyFile>(std::move(real), *this, name);
  return status;
}

IOStatus FaultyFileSystem::ReuseWritableFile(const std::string&, const std::string&,
                                             const rocksdb::FileOptions&,
                                             std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return IOStatus::NotSupported("files are not reused with these options");
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from, const std::string& to,
                                      const IOOptions& options, IODebugContext* debug) {
  if (dead_) return IOStatus::IOError("the power is gone");
  IOStatus status = FileSystemWrapper::RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  const std::lock_guard lock(mutex_);
  if (const auto known = synced_bytes_.find(from); known != synced_bytes_.end()) {
    synced_bytes_[to] = known->second;
    synced_bytes_.erase(known);
    renamed_[from] = to;
  }
  return status;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                      IODebugContext* debug) {
  if (dead_) return IOStatus::IOError("the power is gone");
  {
    const std::lock_guard lock(mutex_);
    synced_bytes_.erase(name);
  }
  return FileSystemWrapper::DeleteFile(name, options, debug);
}

}  // namespace kyanite
