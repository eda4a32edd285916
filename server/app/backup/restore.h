#pragma once

#include <filesystem>

#include "server/app/backup/backup_manifest.h"
#include "server/app/backup/file_copy.h"
#include "server/app/first_start/data_directory.h"

// How a data directory becomes what a backup holds. All of it is copied and checked below
// DATA/restore.tmp first; renaming that to DATA/restore.next decides: from then on the new state counts, and
// whoever opens the directory next (finish_restore) moves what is not in place yet. What it replaces waits in
// DATA/restore.old until then. So a crash at any moment leaves the old state or the new one.
namespace kyanite {

// Replaces what is there only with `replace`. Errors: operation_failed with a sentence; nothing changed then.
Result<BackupManifest> restore_backup(const std::filesystem::path& backup, const DataDirectory& directory,
                                      bool replace, const Progress& progress);

// Completes a restore that was decided and removes what one left that was not. True when there was one to
// complete. Before anything else uses the directory, whose lock is held. Errors: io_failed with a sentence.
Result<bool> finish_restore(const std::filesystem::path& data);

// Whether the directory waits for finish_restore().
bool is_restore_unfinished(const std::filesystem::path& data);

}  // namespace kyanite
