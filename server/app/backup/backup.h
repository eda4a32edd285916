#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "server/app/backup/backup_manifest.h"
#include "server/app/backup/file_copy.h"
#include "server/app/first_start/data_directory.h"
#include "storage/stores.h"

// A backup is a folder:
//
//   manifest.json   what it is, and each file with size and SHA-256
//   store/          the database, and below files/ what devices uploaded
//   pki/            the hub's certificates and keys, the CA's too: keep it as secret as the hub
//
// It is made under a temporary name beside its own, synced, then renamed: whoever finds one finds all of it.
// What fails leaves nothing.
namespace kyanite {

// Where a running hub puts its backups.
std::filesystem::path backups_folder(const std::filesystem::path& data);

// Of a hub that runs, into backups_folder(): tables are shared with the store while it has them. What was
// committed before the call is in it. Refused when the file system has so little room that the flush it takes
// might fail, which would end the hub. Errors: operation_failed with a sentence, conflict (there is one of
// the name, or limits::kBackupsMax), shutting_down (cancelled).
struct RunningHub {
  std::filesystem::path data;
  Stores& stores;
  std::string version;
  std::vector<std::string> host_names;
  std::uint64_t free_bytes_floor = 0;
};
Result<BackupManifest> backup_running_hub(const RunningHub& hub, const std::string& name,
                                          const Progress& progress);
// In the order of their names; folders that are no backups are left out.
struct NamedBackup {
  std::string name;
  BackupManifest manifest;
};
std::vector<NamedBackup> list_backups_of(const std::filesystem::path& data);
// Errors: not_found, operation_failed.
Result<void> remove_backup(const std::filesystem::path& data, const std::string& name);
// Of a hub that was killed at work.
void remove_unfinished_backups(const std::filesystem::path& data);

// Of a directory that no hub uses, into `target`, which must not exist or be an empty folder. Errors:
// operation_failed with a sentence.
Result<BackupManifest> backup_directory(const DataDirectory& directory, const std::string& version,
                                        const std::filesystem::path& target, const Progress& progress);

// Copies a backup; each file has to be what the manifest says. `target` as above. Errors: operation_failed
// with a sentence.
Result<BackupManifest> copy_backup(const std::filesystem::path& from, const std::filesystem::path& target,
                                   const Progress& progress);
// Copies the files of the manifest into a folder that has none of them, checking each. Errors: io_failed with
// a sentence.
Result<void> copy_verified(const std::filesystem::path& from, const BackupManifest& manifest,
                           const std::filesystem::path& folder, const Progress& progress);

}  // namespace kyanite
