#include "storage/rocksdb/read_only_store.h"

#include <rocksdb/env.h>

#include <string_view>
#include <system_error>

#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/migrations.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

// RocksDB would put a log of its own beside the data.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

Result<std::unique_ptr<ReadOnlyStore>> ReadOnlyStore::open(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory / "CURRENT", error))
    return Error(Errc::io_failed, "there is no store in " + directory.string());
  rocksdb::DBOptions options = database_options();
  options.create_if_missing = false;
  options.info_log = std::make_shared<SilentLogger>();
  Result<LogJudgement> log_found = judge_needed_log(directory);
  if (!log_found) return log_found.error();
  std::vector<std::string> names;
  if (const auto status = rocksdb::DB::ListColumnFamilies(options, directory.string(), &names); !status.ok())
    return open_error(directory, status);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.reserve(names.size());
  for (const std::string& name : names) families.emplace_back(name, record_family_options());
  std::unique_ptr<ReadOnlyStore> store(new ReadOnlyStore);
  rocksdb::DB* db = nullptr;
  const auto status =
      rocksdb::DB::OpenForReadOnly(options, directory.string(), families, &store->handles_, &db);
  if (!status.ok()) return open_error(directory, status);
  store->db_.reset(db);
  store->log_found_ = std::move(*log_found);
  if (const Result<void> judged =
          judge_end_of_log(directory, db->GetLatestSequenceNumber() + 1, store->log_found_);
      !judged)
    return judged.error();
  if (const Result<void> read = store->read_facts(directory); !read) return read.error();
  return store;
}

ReadOnlyStore::~ReadOnlyStore() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
}

rocksdb::ColumnFamilyHandle* ReadOnlyStore::family(std::string_view name) const {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle->GetName() == name) return handle;
  }
  return nullptr;
}

Result<void> ReadOnlyStore::read_facts(const std::filesystem::path& directory) {
  std::string bytes;
  auto status = db_->Get(rocksdb::ReadOptions(), std::string(keys::kFormat), &bytes);
  if (status.IsNotFound())
    return Error(Errc::storage_failed, "the store in " + directory.string() + " was never finished");
  if (!status.ok()) return open_error(directory, status);
  const Result<FormatRecord> format = decode_format(bytes);
  if (!format) return format.error();
  if (format->version > kFormatVersion) {
    return Error(Errc::config_invalid, "the store in " + directory.string() + " has format " +
                                           std::to_string(format->version) +
                                           " and this program reads up to " + std::to_string(kFormatVersion));
  }
  facts_.format_version = format->version;
  facts_.partitions = format->partitions;
  status = db_->Get(rocksdb::ReadOptions(), std::string(keys::kHubId), &facts_.hub_id);
  if (!status.ok()) return open_error(directory, status);
  return {};
}

Result<StoreFacts> read_store_facts(const std::filesystem::path& directory) {
  const Result<std::unique_ptr<ReadOnlyStore>> store = ReadOnlyStore::open(directory);
  if (!store) return store.error();
  const LogJudgement& log = (*store)->log_found();
  if (log.losses_in_all > 0) return damaged_store(directory, losses_text(log));
  return (*store)->facts();
}

}  // namespace kyanite
