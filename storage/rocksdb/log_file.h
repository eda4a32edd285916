#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace kyanite {

// One file of RocksDB's write-ahead log, read without RocksDB: it says what stands behind damage as well,
// which RocksDB keeps to itself. A file is a row of blocks of 32 KiB; a record is one fragment or several,
// each with a checksum; what a record holds is a group of changes with the number of the first one.
struct LogRecord {
  std::uint64_t offset = 0;        // of its first fragment
  std::uint64_t first_change = 0;  // changes are numbered without a gap through all files
  std::uint32_t changes = 0;
  std::string_view bytes;  // valid during the call
};

// Bytes that belong to no whole record.
struct LogDamage {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  bool is_cut_short = false;  // the file ends inside a record, and nothing in it is wrong
};

struct LogFileHooks {
  std::function<void(const LogRecord&)> on_record;
  std::function<void(const LogDamage&)>
      on_damage;  // neighbours are told as one, before the record behind them
};

// Errors: io_failed, when the file cannot be read. Memory: a block and the longest record.
Result<void> read_log_file(const std::filesystem::path& file, const LogFileHooks& hooks);

// A file of the log in a store's directory, by its number.
struct LogFile {
  std::uint64_t number = 0;
  std::filesystem::path path;
};
// In the order they were written. None where the directory is not there.
std::vector<LogFile> log_files(const std::filesystem::path& directory);

// The form of a file of the log with these records, piece by piece: for copies without the damage.
class LogFileWriter {
 public:
  void add(std::string_view record);
  std::string take();  // what came since the last call

 private:
  std::string out_;
  std::size_t block_used_ = 0;
};

}  // namespace kyanite
