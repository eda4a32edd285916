#include "server/app/backup/restore.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "server/app/backup/backup.h"
#include "server/app/first_start/files.h"
#include "storage/rocksdb/migrations.h"
#include "storage/rocksdb/read_only_store.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr const char* kParts[] = {"store", "pki"};

fs::path coming(const fs::path& data) { return data / "restore.tmp"; }
fs::path decided(const fs::path& data) { return data / "restore.next"; }
fs::path replaced(const fs::path& data) { return data / "restore.old"; }

Error restore_failed(const std::string& why) { return Error(Errc::operation_failed, "not restored: " + why); }

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

Result<void> move_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return Error(Errc::io_failed,
               "cannot move " + from.string() + " to " + to.string() + ": " + system_reason(errno));
}

// From every state that a crash can leave: the old part is moved away once, the new one in once.
Result<void> move_in(const fs::path& data, const char* part) {
  const fs::path next = decided(data) / part, now = data / part, old = replaced(data) / part;
  if (!is_there(next)) return {};
  if (is_there(now)) {
    if (auto moved = move_path(now, old); !moved) return moved;
    sync_path(replaced(data));
    sync_path(data);
  }
  if (auto moved = move_path(next, now); !moved) return moved;
  sync_path(data);
  sync_path(decided(data));
  return {};
}

Result<void> check_target(const DataDirectory& directory, bool replace) {
  if (replace) return {};
  for (const char* part : kParts) {
    if (!is_there(directory.path() / part)) continue;
    return restore_failed(directory.path().string() + " holds a hub already (" + part +
                          "); --replace puts the backup in its place");
  }
  return {};
}

Result<void> prepare(const fs::path& backup, const BackupManifest& manifest, const fs::path& data,
                     const Progress& progress) {
  const fs::path making = coming(data);
  std::error_code error;
  fs::remove_all(making, error);
  fs::remove_all(replaced(data), error);
  if (::mkdir(making.c_str(), 0700) != 0)
    return Error(Errc::io_failed, "cannot make " + making.string() + ": " + system_reason(errno));
  if (auto copied = copy_verified(backup, manifest, making, progress); !copied) return copied;
  if (const auto facts = read_store_facts(making / "store"); !facts) return facts.error();
  for (const fs::path& path : {making, data / "lock"}) {
    if (auto given = give_to_owner_of(data, path); !given) return given;
  }
  sync_folders(making);
  return {};
}

}  // namespace

Result<BackupManifest> restore_backup(const fs::path& backup, const DataDirectory& directory, bool replace,
                                      const Progress& progress) {
  const fs::path& data = directory.path();
  Result<BackupManifest> manifest = read_manifest(backup);
  if (!manifest) return restore_failed(manifest.error().detail);
  if (manifest->store_format > kFormatVersion) {
    return restore_failed("the backup's store has format " + std::to_string(manifest->store_format) +
                          " and this program reads up to " + std::to_string(kFormatVersion) +
                          "; use version " + manifest->version + " or a newer one");
  }
  if (const Result<bool> done = finish_restore(data); !done) return restore_failed(done.error().detail);
  if (const Result<void> may = check_target(directory, replace); !may) return may.error();
  if (const Result<void> ready = prepare(backup, *manifest, data, progress); !ready) {
    std::error_code ignored;
    fs::remove_all(coming(data), ignored);
    return restore_failed(ready.error().detail);
  }
  if (const Result<void> moved = move_path(coming(data), decided(data)); !moved)
    return restore_failed(moved.error().detail);
  sync_path(data);
  if (const Result<bool> done = finish_restore(data); !done) {
    return Error(Errc::operation_failed, "the backup is there but not in place yet: " + done.error().detail +
                                             "; the next start goes on");
  }
  ::unlink(directory.hub_json().c_str());  // of a hub that was killed, whose keys were other ones
  return manifest;
}

Result<bool> finish_restore(const fs::path& data) {
  std::error_code error;
  const bool was_decided = is_there(decided(data));
  if (was_decided) {
    if (::mkdir(replaced(data).c_str(), 0700) != 0 && errno != EEXIST)
      return Error(Errc::io_failed, "cannot make " + replaced(data).string() + ": " + system_reason(errno));
    for (const char* part : kParts) {
      if (const Result<void> moved = move_in(data, part); !moved) return moved.error();
    }
    fs::remove_all(decided(data), error);
    if (error)
      return Error(Errc::io_failed, "cannot remove " + decided(data).string() + ": " + error.message());
    sync_path(data);
  }
  fs::remove_all(coming(data), error);
  fs::remove_all(replaced(data), error);
  return was_decided;
}

bool is_restore_unfinished(const fs::path& data) { return is_there(decided(data)); }

}  // namespace kyanite
