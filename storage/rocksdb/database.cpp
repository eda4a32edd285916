#include "storage/rocksdb/database.h"

#include <openssl/rand.h>
#include <rocksdb/listener.h>
#include <unistd.h>

#include <array>
#include <set>
#include <system_error>
#include <utility>

#include "protocol/base/base64.h"
#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kOpeningBytes = 2 * 1024 * 1024;
constexpr std::uint64_t kFlushAtCloseBytes = 2 * 1024 * 1024;  // less is replayed in a few milliseconds

std::string telemetry_name(std::uint32_t partition) { return "telemetry." + std::to_string(partition); }

rocksdb::ColumnFamilyDescriptor describe(const std::string& name) {
  if (name.starts_with("telemetry.")) return {name, telemetry_family_options()};
  if (name.starts_with("c2d") || name == "feedback") return {name, queue_family_options()};
  return {name, record_family_options()};
}

std::vector<std::string> wanted_families(std::uint32_t partitions) {
  std::vector<std::string> names{"default", "identity", "twin",       "session",  "hub",
                                 "c2d",     "c2d_body", "c2d_expiry", "feedback", "document"};
  for (std::uint32_t p = 0; p < partitions; ++p) names.push_back(telemetry_name(p));
  return names;
}

Result<void> prepare_directory(const fs::path& directory) {
  std::error_code error;
  const bool made = fs::create_directories(directory, error);
  if (error) {
    return Error(Errc::io_failed, "cannot make the directory " + directory.string() + ": " + error.message());
  }
  if (!made) {
    if (!fs::is_directory(directory, error)) {
      return Error(Errc::io_failed, directory.string() + " is not a directory");
    }
    return {};
  }
  fs::permissions(directory, fs::perms::owner_all, error);
  if (error) {
    return Error(Errc::io_failed,
                 "cannot protect the directory " + directory.string() + ": " + error.message());
  }
  return {};
}

// An opening writes a manifest, options and RocksDB's own log, and where one of them does not fit, RocksDB as
// Debian builds it ends the process by an assertion instead of a word.
Result<void> room_to_open(const fs::path& directory) {
  std::error_code error;
  const fs::space_info space = fs::space(directory, error);
  if (error) return {};  // a file system that cannot say is not called full
  const std::uint64_t room = ::geteuid() == 0 ? space.free : space.available;
  if (room >= kOpeningBytes) return {};
  return Error(Errc::io_failed, "cannot open the store in " + directory.string() + ": its file system has " +
                                    std::to_string(room) + " bytes free, and an opening takes up to " +
                                    std::to_string(kOpeningBytes) + "; free some space");
}

// RocksDB takes a directory without CURRENT for an empty one: it would make a new store and remove the tables
// of the old one. A first start that was cut short leaves a first manifest at most.
Result<void> look_for_lost_current(const fs::path& directory) {
  std::error_code error;
  if (fs::exists(directory / "CURRENT", error)) return {};
  for (auto entry = fs::directory_iterator(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    const bool is_of_store = entry->path().extension() == ".sst" || entry->path().extension() == ".log" ||
                             (name.starts_with("MANIFEST-") && name != "MANIFEST-000001");
    if (is_of_store) {
      return damaged_store(directory, "the file CURRENT is missing and " + name +
                                          " is there; restore a backup with `kyanite "
                                          "restore`");
    }
  }
  if (error) return Error(Errc::io_failed, "cannot read " + directory.string() + ": " + error.message());
  return {};
}

// RocksDB's word that it can write no more, before the next commit hears of it. What fails while the store is
// being closed is no loss: the log still has it all.
class FailureListener final : public rocksdb::EventListener {
 public:
  FailureListener(std::function<void(const Error&)> on_failure, std::shared_ptr<std::atomic<bool>> is_ending)
      : on_failure_(std::move(on_failure)), is_ending_(std::move(is_ending)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override {
    using Reason = rocksdb::BackgroundErrorReason;
    // A failed commit answers for itself.
    if (reason == Reason::kWriteCallback || reason == Reason::kMemTable) return;
    if (is_ending_->load() || status->IsShutdownInProgress()) return;
    if (status->severity() < rocksdb::Status::Severity::kHardError) return;  // RocksDB tries again
    const char* doing = reason == Reason::kCompaction ? "merging tables" : "writing tables";
    on_failure_(storage_error(doing, *status));
  }

 private:
  const std::function<void(const Error&)> on_failure_;
  const std::shared_ptr<std::atomic<bool>> is_ending_;
};

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const fs::path& directory, const Options& options) {
  if (const Result<void> prepared = prepare_directory(directory); !prepared) return prepared.error();
  if (const Result<void> room = room_to_open(directory); !room) return room.error();
  if (const Result<void> found = look_for_lost_current(directory); !found) return found.error();
  std::unique_ptr<Database> database(new Database);
  if (const Result<void> judged = database->judge(directory, options); !judged) return judged.error();
  if (const Result<void> opened = database->open_families(directory, options); !opened) return opened.error();
  if (const Result<void> judged = database->judge_end(directory, options); !judged) return judged.error();
  if (const Result<void> checked = database->check_format(directory, options); !checked)
    return checked.error();
  database->base_ = database->find("default");
  database->identity_ = database->find("identity");
  database->twin_ = database->find("twin");
  database->session_ = database->find("session");
  database->c2d_ = database->find("c2d");
  database->c2d_body_ = database->find("c2d_body");
  database->c2d_expiry_ = database->find("c2d_expiry");
  database->feedback_ = database->find("feedback");
  database->hub_ = database->find("hub");
  database->document_ = database->find("document");
  for (std::uint32_t p = 0; p < options.partitions; ++p) {
    database->telemetry_.push_back(database->find(telemetry_name(p)));
    KYANITE_ASSERT(database->telemetry_.back() != nullptr);
  }
  if (database->log_found_.losses_in_all > 0) {
    if (const Result<void> left = database->leave_the_log_behind(); !left) return left.error();
  }
  return database;
}

Database::~Database() {
  is_ending_->store(true);
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  if (db_) db_->Close();
}

// Before RocksDB has the log: it would drop what it cannot read and all behind it, without a word.
Result<void> Database::judge(const fs::path& directory, const Options& options) {
  Result<LogJudgement> found = judge_needed_log(directory);
  if (!found) return found.error();
  log_found_ = std::move(*found);
  if (log_found_.losses_in_all == 0) return {};
  if (const Result<void> accepted = refuse_unless_accepted(directory, options); !accepted) return accepted;
  return rewrite_damaged_log(directory);
}

// A loss of power with durability os leaves a log that ends too early, and promises nothing else.
Result<void> Database::judge_end(const fs::path& directory, const Options& options) {
  const std::uint64_t before = log_found_.losses_in_all;
  const std::uint64_t next_change = db_->GetLatestSequenceNumber() + 1;
  if (const Result<void> judged = judge_end_of_log(directory, next_change, log_found_); !judged)
    return judged;
  const bool is_accepted = before > 0 || options.durability == Durability::os;
  if (log_found_.losses_in_all == before || is_accepted) return {};
  return refuse_unless_accepted(directory, options);
}

Result<void> Database::refuse_unless_accepted(const fs::path& directory, const Options& options) const {
  if (options.accept_damage == log_found_.acceptance) return {};
  return damaged_store(
      directory,
      losses_text(log_found_) +
          ". Restore a backup with `kyanite restore`, or look with `kyanite check`; to go on without what "
          "is lost, keep a copy of the data directory and start once with --accept-damage " +
          std::to_string(log_found_.acceptance));
}

// The next start finds no trace of the losses: what the log holds goes to tables, and the numbers that are
// kept beside the records fit what is there.
Result<void> Database::leave_the_log_behind() {
  if (const auto status = db_->Flush(rocksdb::FlushOptions(), handles_); !status.ok())
    return opening_error("writing what could be read of the log to tables", status);
  IdentityCounts counts;
  std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(rocksdb::ReadOptions(), identity_));
  for (row->SeekToFirst(); row->Valid(); row->Next()) {
    if (!keys::is_device(row->key().ToStringView())) continue;
    ++counts.devices;
    const Result<IdentityRecord> record = decode_identity(row->value().ToStringView());
    if (record && record->status == IdentityStatus::disabled) ++counts.disabled;
  }
  if (!row->status().ok()) return opening_error("counting the identities", row->status());
  rocksdb::WriteBatch batch;
  batch.Put(std::string(keys::kIdentityCounts), encode_counts(counts));
  rocksdb::WriteOptions durable;
  durable.sync = true;
  if (const auto status = db_->Write(durable, &batch); !status.ok())
    return opening_error("counting the identities", status);
  return {};
}

// Opens what is there and nothing more: whether the store fits the settings is asked before it is changed.
Result<void> Database::open_families(const fs::path& directory, const Options& options) {
  rocksdb::DBOptions tuning = database_options();
  if (options.env) tuning.env = options.env;
  if (options.on_background_failure)
    tuning.listeners.push_back(std::make_shared<FailureListener>(options.on_background_failure, is_ending_));
  std::vector<std::string> names{"default"};
  std::error_code error;
  if (fs::exists(directory / "CURRENT", error)) {
    const auto status = rocksdb::DB::ListColumnFamilies(tuning, directory.string(), &names);
    if (!status.ok()) return open_error(directory, status);
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.push_back(describe(name));
  rocksdb::DB* db = nullptr;
  const auto status = rocksdb::DB::Open(tuning, directory.string(), families, &handles_, &db);
  if (!status.ok()) return open_error(directory, status);
  db_.reset(db);
  return {};
}

Result<void> Database::check_format(const fs::path& directory, const Options& options) {
  std::string bytes;
  const auto status = db_->Get(rocksdb::ReadOptions(), std::string(keys::kFormat), &bytes);
  // Without a format the store was never finished: the first start ended before its one write.
  if (status.IsNotFound() && log_found_.losses_in_all > 0)
    return damaged_store(directory,
                         "the record of its format is lost; restore a backup with `kyanite restore`");
  if (status.IsNotFound()) return create_contents(options);
  if (!status.ok()) return opening_error("reading the format", status);
  const Result<FormatRecord> found = decode_format(bytes);
  if (!found) return found.error();
  if (found->version > options.format_version) {
    return Error(Errc::config_invalid,
                 "the store in " + directory.string() + " has format " + std::to_string(found->version) +
                     " and this program reads up to format " + std::to_string(options.format_version) +
                     "; use the program that wrote it or a newer one");
  }
  if (found->partitions != options.partitions) {
    return Error(Errc::config_invalid,
                 "storage.telemetryPartitions is " + std::to_string(options.partitions) +
                     " but the store in " + directory.string() + " was made with " +
                     std::to_string(found->partitions) +
                     ", which cannot change; set it back or start with an empty data directory");
  }
  if (const Result<void> created = create_missing_families(options); !created) return created;
  return migrate(*db_, *found, options.format_version, options.steps);
}

// All at once: RocksDB then writes and syncs its options file once, not for each.
Result<void> Database::create_missing_families(const Options& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> missing;
  for (const std::string& name : wanted_families(options.partitions)) {
    if (!find(name)) missing.push_back(describe(name));
  }
  if (missing.empty()) return {};
  std::vector<rocksdb::ColumnFamilyHandle*> made;
  const auto status = db_->CreateColumnFamilies(missing, &made);
  handles_.insert(handles_.end(), made.begin(), made.end());
  if (!status.ok()) return opening_error("making the column families", status);
  return {};
}

Result<void> Database::create_contents(const Options& options) {
  if (const Result<void> created = create_missing_families(options); !created) return created;
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return Error(Errc::io_failed, "the system gives no random bytes");
  }
  rocksdb::WriteBatch batch;
  batch.Put(std::string(keys::kHubId), encode_hex(std::string(random.begin(), random.end())));
  batch.Put(std::string(keys::kFormat), encode_format({options.format_version, options.partitions}));
  rocksdb::WriteOptions durable;
  durable.sync = true;
  if (const auto status = db_->Write(durable, &batch); !status.ok())
    return opening_error("making the store", status);
  return {};
}

void Database::shorten_recovery() {
  std::uint64_t bytes = 0;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    std::uint64_t of_family = 0;
    db_->GetIntProperty(handle, rocksdb::DB::Properties::kCurSizeActiveMemTable, &of_family);
    bytes += of_family;
  }
  if (bytes < kFlushAtCloseBytes) return;
  is_ending_->store(true);
  // A failure loses nothing, the log still has it all.
  db_->Flush(rocksdb::FlushOptions(), handles_).PermitUncheckedError();
}

rocksdb::ColumnFamilyHandle* Database::find(std::string_view name) const {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle->GetName() == name) return handle;
  }
  return nullptr;
}

}  // namespace kyanite
