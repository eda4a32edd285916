#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "server/app/backup/backup_manifest.h"

// Copies and checksums of the files of a backup.
namespace kyanite {

// Work on many bytes asks now and then whether it shall go on, and says how far it is.
struct Progress {
  std::function<bool()> is_cancelled;              // empty: never
  std::function<void(std::uint64_t bytes)> moved;  // empty: nobody asks
};

// Errors: io_failed with a sentence that names the file, shutting_down when cancelled.
Result<BackupFile> hash_file(const std::filesystem::path& folder, const std::string& path,
                             const Progress& progress);
// Reads `from`/path once, writes and syncs `to`/path, mode 0600 (0644 for a certificate), making folders with
// mode 0700. The answer tells what was read.
Result<BackupFile> copy_hashed(const std::filesystem::path& from, const std::filesystem::path& to,
                               const std::string& path, const Progress& progress);

// The files below `folder`/part as paths of a manifest, in order; without temporary files, and without locks
// and logs of the store. Nothing for a part that is absent. Errors: io_failed; what is neither file nor
// folder is refused.
Result<std::vector<std::string>> files_of(const std::filesystem::path& folder, const std::string& part);

// Every folder below, and it itself.
void sync_folders(const std::filesystem::path& folder);
// Gives everything below to the user and group that own `like`, when this process may.
Result<void> give_to_owner_of(const std::filesystem::path& like, const std::filesystem::path& folder);

}  // namespace kyanite
