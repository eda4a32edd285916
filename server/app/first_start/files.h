#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

// Small files of the data directory, whole at a time.
namespace kyanite {

// Errors: Errc::io_failed with a sentence that names the file and the system's reason; also past `bytes_max`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max = 1024 * 1024);

// Written to a temporary file beside it, synced and renamed, so that a reader sees the old or the new text
// and a crash leaves one of them.
Result<void> write_file(const std::filesystem::path& path, std::string_view text, mode_t mode);

// Makes what was written to a file, or the names in a folder, durable. As far as it goes: no error.
void sync_path(const std::filesystem::path& path);

std::string system_reason(int error);  // "Permission denied"

}  // namespace kyanite
