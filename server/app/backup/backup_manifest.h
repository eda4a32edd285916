#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// One file of a backup.
struct BackupFile {
  std::string path;  // relative, with '/': below store/ or pki/
  std::uint64_t bytes = 0;
  std::string sha256;  // lower-case hex
  friend bool operator==(const BackupFile&, const BackupFile&) = default;
};

// manifest.json of a backup: whose it is and every file that belongs to it. Written last, so that a folder
// without one is no backup.
struct BackupManifest {
  static constexpr const char* kFileName = "manifest.json";
  static constexpr std::uint32_t kFormat = 1;

  std::string version;  // of the program that made it
  WallTime created{};
  std::uint32_t store_format = 0;
  std::uint32_t partitions = 0;
  std::string hub_id;
  std::vector<std::string> host_names;
  std::vector<BackupFile> files;  // in the order of their paths

  std::uint64_t bytes() const;
  friend bool operator==(const BackupManifest&, const BackupManifest&) = default;
};

std::string encode_manifest(const BackupManifest& manifest);
// Refuses paths that would leave the backup. Errors: Errc::format_error with a sentence.
Result<BackupManifest> decode_manifest(std::string_view text);
// Of the backup in a folder. Errors: io_failed, format_error, each with a sentence that names the folder.
Result<BackupManifest> read_manifest(const std::filesystem::path& backup);

// What may be the name of a backup in the data directory, and of its folder: 1 to 64 letters, digits, '-',
// '_' and '.', not '.' first.
bool is_backup_name(std::string_view name);

}  // namespace kyanite
