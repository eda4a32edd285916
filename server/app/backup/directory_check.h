#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "storage/rocksdb/store_check.h"

namespace kyanite {

// What `kyanite check` looks at: a data directory that no hub uses, or a backup.
struct DirectoryCheckHooks {
  StoreCheckHooks store;                            // its on_finding is told of everything else too
  std::function<void(const std::string&)> on_note;  // worth knowing, and not wrong
};

struct CheckedDirectory {
  bool is_backup = false;
  StoreCounts store;
  std::uint64_t files = 0;  // that devices uploaded
};

// Changes nothing. A directory is held by its lock meanwhile, so that no hub starts on it. Errors:
// argument_invalid (neither data directory nor backup), conflict (a hub uses it), io_failed.
Result<CheckedDirectory> check_directory(const std::filesystem::path& path, const DirectoryCheckHooks& hooks);

}  // namespace kyanite
