#include "storage/rocksdb/read_only_store.h"

#include <rocksdb/env.h>

#include <cstdio>
#include <string_view>
#include <system_error>

#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/migrations.h"
#include "storage/rocksdb/options.h"

namespace kyanite {
namespace {

// RocksDB would put a log of its own beside the data. What it cannot read of the write-ahead log is said
// there and nowhere else: a store opens without it.
class DamageLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list values) override {
    char line[512];
    std::vsnprintf(line, sizeof line, format, values);
    const std::string_view text(line);
    const std::size_t at = text.find(": dropping ");
    if (at == std::string_view::npos) return;
    const std::size_t place = text.rfind("] ", at);  // behind the level and the line of RocksDB's source
    dropped_.emplace_back(text.substr(place == std::string_view::npos ? 0 : place + 2));
  }
  const std::vector<std::string>& dropped() const { return dropped_; }

 private:
  std::vector<std::string> dropped_;
};

Error cannot_open(const std::filesystem::path& directory, const rocksdb::Status& status) {
  const Errc code = status.IsCorruption() ? Errc::storage_failed : Errc::io_failed;
  return Error(code, "the store in " + directory.string() + " cannot be opened: " + status.ToString());
}

}  // namespace

Result<std::unique_ptr<ReadOnlyStore>> ReadOnlyStore::open(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory / "CURRENT", error))
    return Error(Errc::io_failed, "there is no store in " + directory.string());
  rocksdb::DBOptions options = database_options();
  options.create_if_missing = false;
  const auto logger = std::make_shared<DamageLogger>();
  options.info_log = logger;
  std::vector<std::string> names;
  if (const auto status = rocksdb::DB::ListColumnFamilies(options, directory.string(), &names); !status.ok())
    return cannot_open(directory, status);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.reserve(names.size());
  for (const std::string& name : names) families.emplace_back(name, record_family_options());
  std::unique_ptr<ReadOnlyStore> store(new ReadOnlyStore);
  rocksdb::DB* db = nullptr;
  const auto status =
      rocksdb::DB::OpenForReadOnly(options, directory.string(), families, &store->handles_, &db);
  if (!status.ok()) return cannot_open(directory, status);
  store->db_.reset(db);
  store->dropped_ = logger->dropped();  // of the replay, which has ended
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
  if (!status.ok()) return cannot_open(directory, status);
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
  if (!status.ok()) return cannot_open(directory, status);
  return {};
}

Result<StoreFacts> read_store_facts(const std::filesystem::path& directory) {
  const Result<std::unique_ptr<ReadOnlyStore>> store = ReadOnlyStore::open(directory);
  if (!store) return store.error();
  return (*store)->facts();
}

}  // namespace kyanite
