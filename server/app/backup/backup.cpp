#include "server/app/backup/backup.h"

#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "protocol/base/limits.h"
#include "server/app/first_start/files.h"
#include "server/app/first_start/pki.h"
#include "server/app/store_change.h"
#include "server/runtime/hub_clock.h"
#include "storage/rocksdb/read_only_store.h"
#include "storage/rocksdb/rocksdb_stores.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnfinished = "~.tmp";
// Memtables and log at their largest, with some room.
constexpr std::uint64_t kFlushBytes = std::uint64_t{128} * 1024 * 1024;

Error backup_failed(const std::string& why) { return Error(Errc::operation_failed, "no backup: " + why); }

// A refusal for the operator, unless it is the end of the hub.
Error for_operator(const Error& error) {
  return error.code == Errc::shutting_down ? error : backup_failed(error.detail);
}

// "folder/" names the folder: its neighbour is beside it, not in it.
fs::path without_slash(fs::path path) {
  while (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

fs::path unfinished(const fs::path& target) { return target.string() + kUnfinished; }

bool is_taken(const fs::path& target) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target, error);
  if (status.type() == fs::file_type::not_found) return false;
  return !(fs::is_directory(status) && fs::is_empty(target, error) && !error);
}

// A folder cannot take the place of one that something is mounted on, which shall not show after hours of
// copying.
bool is_mount_point(const fs::path& target) {
  struct stat here {};
  struct stat above {};
  return ::stat(target.c_str(), &here) == 0 && ::stat((target / "..").c_str(), &above) == 0 &&
         here.st_dev != above.st_dev;
}

// `fill` puts the files into the folder it is given and answers the manifest.
template <class Fill>
Result<BackupManifest> make_in_place(const fs::path& wanted, Fill fill) {
  const fs::path target = without_slash(wanted);
  if (is_taken(target)) return Error(Errc::conflict, target.string() + " is there already");
  if (is_mount_point(target)) {
    return backup_failed("something is mounted on " + target.string() + ": name a folder in it, such as " +
                         (target / "backup").string());
  }
  const fs::path making = unfinished(target);
  std::error_code error;
  fs::remove_all(making, error);
  if (::mkdir(making.c_str(), 0700) != 0)
    return backup_failed("cannot make " + making.string() + ": " + system_reason(errno));
  const auto give_up = [&](const Error& why) {
    fs::remove_all(making, error);
    return for_operator(why);
  };
  Result<BackupManifest> manifest = fill(making);
  if (!manifest) return give_up(manifest.error());
  const fs::path manifest_file = making / BackupManifest::kFileName;
  if (const Result<void> written = write_file(manifest_file, encode_manifest(*manifest), 0600); !written)
    return give_up(written.error());
  sync_folders(making);
  if (::rename(making.c_str(), target.c_str()) != 0) {
    return give_up(
        Error(Errc::io_failed, "cannot put it at " + target.string() + ": " + system_reason(errno)));
  }
  sync_path(target.parent_path().empty() ? "." : target.parent_path());
  return manifest;
}

Result<BackupManifest> new_manifest(const fs::path& store, std::string version,
                                    std::vector<std::string> host_names) {
  const Result<StoreFacts> facts = read_store_facts(store);
  if (!facts) return facts.error();
  BackupManifest manifest;
  manifest.version = std::move(version);
  manifest.created = HubClock::real_now();
  manifest.store_format = facts->format_version;
  manifest.partitions = facts->partitions;
  manifest.hub_id = facts->hub_id;
  manifest.host_names = std::move(host_names);
  return manifest;
}

Result<void> copy_part(const fs::path& from, const fs::path& to, const char* part, BackupManifest& manifest,
                       const Progress& progress) {
  const Result<std::vector<std::string>> paths = files_of(from, part);
  if (!paths) return paths.error();
  for (const std::string& path : *paths) {
    Result<BackupFile> file = copy_hashed(from, to, path, progress);
    if (!file) return file.error();
    manifest.files.push_back(std::move(*file));
  }
  return {};
}

Result<void> hash_part(const fs::path& folder, const char* part, BackupManifest& manifest,
                       const Progress& progress) {
  const Result<std::vector<std::string>> paths = files_of(folder, part);
  if (!paths) return paths.error();
  for (const std::string& path : *paths) {
    Result<BackupFile> file = hash_file(folder, path, progress);
    if (!file) return file.error();
    manifest.files.push_back(std::move(*file));
  }
  return {};
}

Result<void> room_for_a_flush(const RunningHub& hub) {
  std::error_code error;
  const fs::space_info space = fs::space(hub.data, error);
  const std::uint64_t wanted = hub.free_bytes_floor + kFlushBytes;
  if (error || space.available >= wanted) return {};
  return backup_failed("the file system of " + hub.data.string() + " has " + std::to_string(space.available) +
                       " bytes free, and a running hub makes one only with " + std::to_string(wanted) +
                       " or more");
}

}  // namespace

fs::path backups_folder(const fs::path& data) { return data / "backups"; }

Result<BackupManifest> backup_running_hub(const RunningHub& hub, const std::string& name,
                                          const Progress& progress) {
  if (!is_backup_name(name))
    return Error(Errc::argument_invalid,
                 "a backup's name has 1 to 64 letters, digits, '-', '_' and '.', not '.' first");
  const fs::path folder = backups_folder(hub.data);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return backup_failed("cannot make " + folder.string() + ": " + system_reason(errno));
  sync_path(hub.data);  // or a power cut takes the folder, and what is answered for, away
  if (is_taken(folder / name)) return Error(Errc::conflict, "there is a backup of this name");
  std::error_code error;
  const auto count = std::distance(fs::directory_iterator(folder, error), fs::directory_iterator());
  if (static_cast<std::size_t>(count) >= limits::kBackupsMax)
    return Error(Errc::conflict, "there are 64 backups already: delete one first");
  if (const Result<void> room = room_for_a_flush(hub); !room) return room.error();
  return make_in_place(folder / name, [&](const fs::path& making) -> Result<BackupManifest> {
    const fs::path store = making / "store";
    if (const Result<void> made = checkpoint_rocksdb_stores(hub.stores, store); !made) return made.error();
    if (const Result<void> linked = link_uploaded_files(hub.data / "store", store); !linked)
      return linked.error();
    Result<BackupManifest> manifest = new_manifest(store, hub.version, hub.host_names);
    if (!manifest) return manifest;
    if (const Result<void> copied = copy_part(hub.data, making, "pki", *manifest, progress); !copied)
      return copied.error();
    if (const Result<void> hashed = hash_part(making, "store", *manifest, progress); !hashed)
      return hashed.error();
    return manifest;
  });
}

std::vector<NamedBackup> list_backups_of(const fs::path& data) {
  std::vector<NamedBackup> all;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(backups_folder(data), error)) {
    const std::string name = entry.path().filename();
    if (!is_backup_name(name)) continue;
    if (Result<BackupManifest> manifest = read_manifest(entry.path()))
      all.push_back({name, std::move(*manifest)});
  }
  std::sort(all.begin(), all.end(),
            [](const NamedBackup& a, const NamedBackup& b) { return a.name < b.name; });
  return all;
}

// It loses its name first, at once: what is left of a cut-off removal is no backup and takes no other one's
// place, and the next start removes it.
Result<void> remove_backup(const fs::path& data, const std::string& name) {
  if (!is_backup_name(name)) return Error(Errc::argument_invalid, "this is no name of a backup");
  const fs::path folder = backups_folder(data) / name;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return Error(Errc::not_found, "there is no backup of this name");
  const fs::path leaving = unfinished(folder);
  fs::remove_all(leaving, error);
  if (!error) fs::rename(folder, leaving, error);
  if (!error) fs::remove_all(leaving, error);
  if (error)
    return Error(Errc::operation_failed, "cannot remove " + folder.string() + ": " + error.message());
  return {};
}

void remove_unfinished_backups(const fs::path& data) {
  std::error_code error;
  std::vector<fs::path> left;
  for (const fs::directory_entry& entry : fs::directory_iterator(backups_folder(data), error)) {
    if (entry.path().string().ends_with(kUnfinished)) left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove_all(path, error);
}

Result<BackupManifest> backup_directory(const DataDirectory& directory, const std::string& version,
                                        const fs::path& target, const Progress& progress) {
  return make_in_place(target, [&](const fs::path& making) -> Result<BackupManifest> {
    std::vector<std::string> names;
    if (const auto pem = read_file(directory.pki() / "server.pem")) names = pki::names_of(*pem);
    Result<BackupManifest> manifest = new_manifest(directory.store(), version, std::move(names));
    if (!manifest) return manifest;
    for (const char* part : {"pki", "store"}) {
      if (const Result<void> copied = copy_part(directory.path(), making, part, *manifest, progress); !copied)
        return copied.error();
    }
    return manifest;
  });
}

Result<BackupManifest> copy_backup(const fs::path& from, const fs::path& target, const Progress& progress) {
  Result<BackupManifest> manifest = read_manifest(from);
  if (!manifest) return backup_failed(manifest.error().detail);
  return make_in_place(target, [&](const fs::path& making) -> Result<BackupManifest> {
    if (const Result<void> copied = copy_verified(from, *manifest, making, progress); !copied)
      return copied.error();
    return *manifest;
  });
}

Result<void> copy_verified(const fs::path& from, const BackupManifest& manifest, const fs::path& folder,
                           const Progress& progress) {
  for (const BackupFile& wanted : manifest.files) {
    const Result<BackupFile> copied = copy_hashed(from, folder, wanted.path, progress);
    if (!copied) return copied.error();
    if (copied->bytes != wanted.bytes || copied->sha256 != wanted.sha256) {
      return Error(Errc::io_failed, (from / wanted.path).string() + " is not what the manifest says (" +
                                        std::to_string(copied->bytes) + " of " +
                                        std::to_string(wanted.bytes) + " bytes, or another content)");
    }
  }
  return {};
}

}  // namespace kyanite
