#pragma once

#include <rocksdb/status.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "protocol/base/error.h"

namespace kyanite {

inline Error storage_error(std::string_view doing, const rocksdb::Status& status) {
  return Error(Errc::storage_failed, std::string(doing) + ": " + status.ToString());
}

// The same while a store is being opened: a disk that fails may be better the next time, damage is not.
inline Error opening_error(std::string_view doing, const rocksdb::Status& status) {
  return Error(status.IsIOError() ? Errc::io_failed : Errc::storage_failed,
               std::string(doing) + ": " + status.ToString());
}

// Why the store in this directory cannot be opened: config_invalid when another process has it,
// storage_failed when it is damaged, io_failed otherwise.
Error open_error(const std::filesystem::path& directory, const rocksdb::Status& status);

// The same for what was found by the hub itself.
Error damaged_store(const std::filesystem::path& directory, std::string_view what);

}  // namespace kyanite
