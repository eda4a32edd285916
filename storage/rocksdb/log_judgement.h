#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace kyanite {

// A place in the write-ahead log where committed changes are gone: the log goes on behind it.
struct LogLoss {
  std::string file;              // where the log goes on, or the damaged one
  std::uint64_t offset = 0;      // of the damage
  std::uint64_t bytes = 0;       // damaged; 0: whole records or a file are missing
  std::uint64_t changes = 0;     // at most, since tables may hold some; 0: unknown
  std::uint64_t goes_on_at = 0;  // number of the first change behind it; it names the loss
  bool is_end = false;           // the log just ends, and tables hold what was committed later
  bool is_missing = false;       // there is no file of the log at all
};

// What the write-ahead log of a store says of itself. RocksDB drops what it cannot read, and all behind it,
// without a word; so the log is judged before RocksDB has it.
//
// A write that was cut off is no loss: nothing stands behind it, so it was never acknowledged with fsync. The
// same holds when the log goes on in a later file exactly where the damage began: an earlier start has been
// there.
struct LogJudgement {
  void add(LogLoss loss);

  std::vector<LogLoss> losses;  // the first ones, in order
  std::uint64_t losses_in_all = 0;
  std::uint64_t changes_lost = 0;  // as far as they can be counted
  // Names these losses and no later ones: where the log goes on behind the last.
  std::uint64_t acceptance = 0;
  std::string unfinished_file;  // where the last write is not whole; empty: it is
  std::uint64_t unfinished_bytes = 0;
  bool is_cut_short = false;      // the unfinished write just ends; else it is as long as it says, and wrong
  std::uint64_t next_change = 0;  // behind the last one; 0: there is none
  std::string last_file;          // that has a change
};

// The number of the first file that the store still needs, as its manifest says; UINT64_MAX: none. Errors: as
// for opening the store.
Result<std::uint64_t> first_needed_file(const std::filesystem::path& directory);

// Looks at the files with this number and above. Errors: io_failed.
Result<LogJudgement> judge_log(const std::filesystem::path& directory, std::uint64_t first_file);

// The same for the files that the store needs. That is asked only when something is wrong: a file that was
// about to be removed may be anything. Errors: io_failed; those of first_needed_file().
Result<LogJudgement> judge_needed_log(const std::filesystem::path& directory);

// Adds the loss of the log's end, which shows when the store goes on to a later change than the files that it
// needs hold: a file was cut off between two records, or the last one is missing. Errors: as
// judge_needed_log().
Result<void> judge_end_of_log(const std::filesystem::path& directory, std::uint64_t next_change_of_store,
                              LogJudgement& judgement);

// "000012.log is damaged at byte 3456 (20 bytes cannot be read): up to 3 changes before change 78 that
// were committed are lost"
std::string loss_text(const LogLoss& loss);
std::string losses_text(const LogJudgement& judgement);
// Of the write at the end that is not whole.
std::string unfinished_text(const LogJudgement& judgement);

// Writes the damaged files anew with all that can be read of them. The damaged ones are kept in the folder
// damaged_folder(directory). Errors: io_failed.
Result<void> rewrite_damaged_log(const std::filesystem::path& directory);
std::filesystem::path damaged_folder(const std::filesystem::path& directory);

}  // namespace kyanite
