#include "storage/rocksdb/log_judgement.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/wal_filter.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "storage/rocksdb/log_file.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLossesMax = 16;  // what a sentence can bear; the rest is counted
constexpr std::size_t kWriteBytes = 1024 * 1024;

// Judge follows the numbers of the changes through the files.
class Judge {
 public:
  void begin_file(const std::string& name) {
    file_ = name;
    is_first_in_file_ = true;
  }
  void on_damage(const LogDamage& damage) {
    if (!damage_) damage_ = {file_, 0, 0, false};
    if (damage_->bytes == 0) damage_->offset = damage.offset;
    damage_->bytes += damage.bytes;
    damage_->is_cut_short = damage.is_cut_short;
  }
  void on_record(const LogRecord& record) {
    if (std::exchange(is_first_in_file_, false)) go_back_to(record.first_change);
    if (next_ ? record.first_change != *next_ : damage_.has_value()) lose_until(record);
    damage_.reset();
    next_ = record.first_change + record.changes;
    judgement_.last_file = file_;
  }
  LogJudgement end() {
    judgement_.next_change = next_.value_or(0);
    if (damage_) {
      judgement_.unfinished_file = damage_->file;
      judgement_.unfinished_bytes = damage_->bytes;
      judgement_.is_cut_short = damage_->is_cut_short;
    }
    return std::move(judgement_);
  }

 private:
  struct Damage {
    std::string file;
    std::uint64_t offset;
    std::uint64_t bytes;
    bool is_cut_short;
  };

  // An earlier start went on where the damage began: what stood behind it was given up then.
  void go_back_to(std::uint64_t change) {
    for (std::size_t i = 0; i < began_at_.size(); ++i) {
      if (began_at_[i] != change) continue;
      began_at_.resize(i);
      judgement_.losses.resize(std::min(i, judgement_.losses.size()));
      judgement_.losses_in_all = i;
      judgement_.changes_lost = 0;
      for (const LogLoss& loss : judgement_.losses) judgement_.changes_lost += loss.changes;
      judgement_.acceptance = i == 0 ? 0 : judgement_.losses.back().goes_on_at;
      next_ = change;
      damage_.reset();
      return;
    }
  }
  void lose_until(const LogRecord& record) {
    LogLoss loss{.file = file_, .offset = record.offset, .goes_on_at = record.first_change};
    if (next_ && record.first_change > *next_) loss.changes = record.first_change - *next_;
    if (damage_) {
      loss.file = damage_->file;
      loss.offset = damage_->offset;
      loss.bytes = damage_->bytes;
    }
    if (judgement_.losses.size() < kLossesMax) began_at_.push_back(next_.value_or(0));
    judgement_.add(std::move(loss));
  }

  LogJudgement judgement_;
  std::vector<std::uint64_t> began_at_;  // the first lost change of each loss
  std::string file_;
  bool is_first_in_file_ = true;
  std::optional<std::uint64_t> next_;
  std::optional<Damage> damage_;  // with nothing behind it so far
};

// Learns from which file on each family needs the log, and has nothing replayed.
class NeededFiles final : public rocksdb::WalFilter {
 public:
  void ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& by_family,
                                const std::map<std::string, std::uint32_t>&) override {
    for (const auto& [family, number] : by_family) first_ = std::min(first_.value_or(number), number);
  }
  WalProcessingOption LogRecordFound(unsigned long long, const std::string&, const rocksdb::WriteBatch&,
                                     rocksdb::WriteBatch*, bool*) override {
    return WalProcessingOption::kStopReplay;
  }
  const char* Name() const override { return "NeededFiles"; }
  std::optional<std::uint64_t> first() const { return first_; }

 private:
  std::optional<std::uint64_t> first_;
};

// Hears which files were given up when all that they held had gone to tables: the manifest has the number,
// and no interface but this line of RocksDB's own log says it. Without the line, files count as needed that
// are not.
class ManifestListener final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list values) override {
    char line[1024];
    std::vsnprintf(line, sizeof line, format, values);
    constexpr std::string_view kBefore = "min_log_number_to_keep is ";
    const std::string_view text(line);
    const std::size_t at = text.find(kBefore);
    if (at == std::string_view::npos) return;
    const char* number = text.data() + at + kBefore.size();
    std::from_chars(number, text.data() + text.size(), first_);
  }
  std::uint64_t first() const { return first_; }

 private:
  std::uint64_t first_ = 0;
};

// A store that was opened has a file of the log at any time; a backup has none, and no lock. The first
// manifest is there before the first file of the log.
bool lacks_log(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory / "LOCK", error) || !log_files(directory).empty()) return false;
  std::ifstream current(directory / "CURRENT");
  std::string manifest;
  return std::getline(current, manifest) && manifest != "MANIFEST-000001";
}

Error file_failed(const char* doing, const fs::path& path) {
  return Error(Errc::io_failed, std::string("cannot ") + doing + " " + path.string() + ": " +
                                    std::generic_category().message(errno));
}

Result<void> sync(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  errno = reason;
  if (!synced) return file_failed("sync", path);
  return {};
}

// But not those from the change on with which the next file begins: an earlier start gave them up.
Result<void> copy_whole_records(const fs::path& from, const fs::path& to, std::uint64_t end_change) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(to.c_str(), "wbe"), std::fclose);
  if (!out) return file_failed("make", to);
  ::fchmod(::fileno(out.get()), S_IRUSR | S_IWUSR);
  LogFileWriter writer;
  std::size_t waiting = 0;
  bool written = true;
  const auto flush = [&] {
    const std::string bytes = writer.take();
    written = written && std::fwrite(bytes.data(), 1, bytes.size(), out.get()) == bytes.size();
    waiting = 0;
  };
  LogFileHooks hooks;
  hooks.on_record = [&](const LogRecord& record) {
    if (record.first_change >= end_change) return;
    writer.add(record.bytes);
    waiting += record.bytes.size();
    if (waiting >= kWriteBytes) flush();
  };
  if (const Result<void> read = read_log_file(from, hooks); !read) return read;
  flush();
  if (!written || std::fflush(out.get()) != 0 || ::fsync(::fileno(out.get())) != 0)
    return file_failed("write", to);
  return {};
}

Result<void> rewrite(const fs::path& file, const fs::path& folder, std::uint64_t end_change) {
  const fs::path whole = folder / (file.filename().string() + ".whole");
  if (const Result<void> copied = copy_whole_records(file, whole, end_change); !copied) return copied;
  const fs::path kept = folder / file.filename();
  ::unlink(kept.c_str());  // of a try that was cut off: it is the same file
  if (::link(file.c_str(), kept.c_str()) != 0) return file_failed("keep", file);
  if (const Result<void> synced = sync(folder); !synced) return synced;
  if (::rename(whole.c_str(), file.c_str()) != 0) return file_failed("replace", file);
  return sync(file.parent_path());
}

}  // namespace

void LogJudgement::add(LogLoss loss) {
  ++losses_in_all;
  changes_lost += loss.changes;
  acceptance = loss.goes_on_at;
  if (losses.size() < kLossesMax) losses.push_back(std::move(loss));
}

Result<std::uint64_t> first_needed_file(const fs::path& directory) {
  NeededFiles needed;
  rocksdb::DBOptions options = database_options();
  options.create_if_missing = false;
  const auto manifest = std::make_shared<ManifestListener>();
  options.info_log = manifest;
  options.wal_filter = &needed;
  std::vector<std::string> names;
  auto status = rocksdb::DB::ListColumnFamilies(options, directory.string(), &names);
  if (!status.ok()) return open_error(directory, status);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, record_family_options());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::OpenForReadOnly(options, directory.string(), families, &handles, &opened);
  const std::unique_ptr<rocksdb::DB> db(opened);
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  if (needed.first())
    return std::max(*needed.first(), manifest->first());  // told before the log was looked at
  if (!status.ok()) return open_error(directory, status);
  return UINT64_MAX;
}

Result<LogJudgement> judge_log(const fs::path& directory, std::uint64_t first_file) {
  Judge judge;
  LogFileHooks hooks;
  hooks.on_record = [&](const LogRecord& record) { judge.on_record(record); };
  hooks.on_damage = [&](const LogDamage& damage) { judge.on_damage(damage); };
  for (const LogFile& file : log_files(directory)) {
    if (file.number < first_file) continue;
    judge.begin_file(file.path.filename());
    if (const Result<void> read = read_log_file(file.path, hooks); !read) return read.error();
  }
  return judge.end();
}

Result<LogJudgement> judge_needed_log(const fs::path& directory) {
  Result<LogJudgement> judgement = judge_log(directory, 0);
  if (judgement && lacks_log(directory)) {
    judgement->add({.file = {}, .goes_on_at = 1, .is_missing = true});
    return judgement;
  }
  if (!judgement || (judgement->losses_in_all == 0 && judgement->unfinished_file.empty())) return judgement;
  const Result<std::uint64_t> first = first_needed_file(directory);
  if (!first) return first.error();
  return judge_log(directory, *first);
}

Result<void> judge_end_of_log(const fs::path& directory, std::uint64_t next_change_of_store,
                              LogJudgement& judgement) {
  if (judgement.next_change == 0 || next_change_of_store <= judgement.next_change) return {};
  // A file that is needed no more may well end before the tables do.
  const Result<std::uint64_t> first = first_needed_file(directory);
  if (!first) return first.error();
  const Result<LogJudgement> needed = judge_log(directory, *first);
  if (!needed) return needed.error();
  if (needed->next_change == 0 || next_change_of_store <= needed->next_change) return {};
  judgement.add({.file = needed->last_file,
                 .changes = next_change_of_store - needed->next_change,
                 .goes_on_at = next_change_of_store,
                 .is_end = true});
  return {};
}

std::string loss_text(const LogLoss& loss) {
  if (loss.is_missing) return "its write-ahead log is missing: the changes that were committed last are lost";
  std::string text = loss.file;
  if (loss.is_end) {
    text += " ends before what the tables hold (a loss of power with storage.durability os leaves it so): ";
  } else if (loss.bytes > 0) {
    text += " is damaged at byte " + std::to_string(loss.offset) + " (" + std::to_string(loss.bytes) +
            " bytes cannot be read): ";
  } else {
    text += " does not go on where the log ended before byte " + std::to_string(loss.offset) + ": ";
  }
  // At most: a table may hold some of them already.
  if (loss.changes > 0) text += "up to " + std::to_string(loss.changes) + " ";
  text += loss.changes == 1 ? "change" : "changes";
  return text + " before change " + std::to_string(loss.goes_on_at) + " that " +
         (loss.changes == 1 ? "was committed is" : "were committed are") + " lost";
}

std::string losses_text(const LogJudgement& judgement) {
  std::string text;
  for (const LogLoss& loss : judgement.losses) text += (text.empty() ? "" : "; ") + loss_text(loss);
  if (judgement.losses_in_all > judgement.losses.size())
    text += "; and so on in " + std::to_string(judgement.losses_in_all - judgement.losses.size()) +
            " places more";
  return text;
}

std::string unfinished_text(const LogJudgement& judgement) {
  const std::string where =
      std::to_string(judgement.unfinished_bytes) + " bytes at the end of " + judgement.unfinished_file;
  if (judgement.is_cut_short)
    return where + " are a write that was cut off before it was acknowledged with storage.durability fsync";
  return where +
         " cannot be read: a write that the loss of power cut off before it was acknowledged, or, if the "
         "machine "
         "did not lose power, damage to the last write";
}

fs::path damaged_folder(const fs::path& directory) { return directory.string() + ".damaged"; }

Result<void> rewrite_damaged_log(const fs::path& directory) {
  std::vector<std::pair<fs::path, std::uint64_t>> damaged;  // with the first change of the next file
  std::vector<LogFile> files = log_files(directory);
  std::reverse(files.begin(), files.end());
  std::uint64_t end_change = UINT64_MAX;
  for (const LogFile& file : files) {
    bool is_damaged = false;
    std::optional<std::uint64_t> first_change;
    LogFileHooks hooks;
    hooks.on_damage = [&](const LogDamage&) { is_damaged = true; };
    hooks.on_record = [&](const LogRecord& record) {
      first_change = first_change.value_or(record.first_change);
    };
    if (const Result<void> read = read_log_file(file.path, hooks); !read) return read;
    if (is_damaged) damaged.emplace_back(file.path, end_change);
    end_change = first_change.value_or(end_change);
  }
  if (damaged.empty()) return {};
  const fs::path folder = damaged_folder(directory);
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return file_failed("make", folder);
  for (const auto& [file, end] : damaged) {
    if (const Result<void> done = rewrite(file, folder, end); !done) return done;
  }
  return {};
}

}  // namespace kyanite
