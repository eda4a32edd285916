#include "server/app/store_change.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>

#include "server/app/first_start/files.h"
#include "server/app/hub_records.h"
#include "server/blobs/blob_files.h"
#include "storage/rocksdb/rocksdb_stores.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEmptyStore = "store.empty";

Error change_failed(const std::string& what, const std::error_code& error) {
  return Error(Errc::io_failed, what + ": " + error.message());
}

void make_private(const fs::path& folder, std::error_code& error) {
  fs::create_directory(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
}

// Tables never change and are shared; everything else the store goes on writing to.
Result<void> copy_store(const fs::path& from, const fs::path& to) {
  std::error_code error;
  make_private(to, error);
  for (auto entry = fs::directory_iterator(from, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path target = to / entry->path().filename();
    const std::string name = target.filename();
    if (entry->is_directory(error) || name == "LOCK" || name.starts_with("LOG")) continue;
    if (entry->path().extension() == ".sst") {
      fs::create_hard_link(entry->path(), target, error);
    } else {
      fs::copy_file(entry->path(), target, error);
      if (!error) sync_path(target);
    }
    if (error) break;
  }
  if (error) return change_failed("the snapshot cannot be copied", error);
  if (const Result<void> linked = link_uploaded_files(from, to); !linked) return linked;
  sync_path(to);
  return {};
}

Result<void> make_new_store(const fs::path& folder, const std::vector<AccessPolicy>& policies,
                            const Settings::Storage& settings) {
  auto stores = open_rocksdb_stores(folder, settings, {});
  if (!stores) return stores.error();
  const Result<void> kept = store_policies(**stores, policies);
  (*stores)->close();
  return kept;
}

Result<void> link_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  make_private(to, error);
  // Said at once: without the folder each link would fail as if its file had just gone.
  if (error) return change_failed("uploaded files cannot be linked", error);
  for (auto entry = fs::directory_iterator(from, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (entry->path().extension() == ".tmp") continue;  // a body under way
    std::error_code failed;
    fs::create_hard_link(entry->path(), to / entry->path().filename(), failed);
    // A block goes when its list is there, and that file is linked later.
    if (failed && failed != std::errc::no_such_file_or_directory) error = failed;
    if (error) break;
  }
  if (error) return change_failed("uploaded files cannot be linked", error);
  sync_path(to);
  return {};
}

}  // namespace

void prepare_empty_store(const fs::path& data, const std::vector<AccessPolicy>& policies,
                         const Settings::Storage& settings, EmptyStore& empty) {
  if (empty.policies == policies) return;
  const fs::path folder = data / kEmptyStore;
  std::error_code error;
  empty.policies.reset();
  fs::remove_all(folder, error);
  if (make_new_store(folder, policies, settings)) empty.policies = policies;
}

void remove_unused_stores(const fs::path& data) {
  std::error_code ignored;
  fs::remove_all(data / "store.next", ignored);
  fs::remove_all(data / kEmptyStore, ignored);
}

Result<void> change_store(const fs::path& data, const StoreChange& change, const Settings::Storage& settings,
                          const EmptyStore& empty) {
  const fs::path store = data / "store", next = data / "store.next";
  std::error_code error;
  fs::remove_all(next, error);  // of a hub that was killed within a change
  Result<void> made;
  if (!change.snapshot.empty()) {
    made = copy_store(data / "snapshots" / change.snapshot, next);
  } else if (empty.policies == change.policies) {
    made = copy_store(data / kEmptyStore, next);
  } else {
    made = make_new_store(next, change.policies, settings);
  }
  if (!made) {
    fs::remove_all(next, error);
    return made.error();
  }
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, store.c_str(), RENAME_EXCHANGE) != 0) {
    const Error failed = change_failed("the stores cannot change places", {errno, std::generic_category()});
    fs::remove_all(next, error);
    return failed;
  }
  sync_path(data);
  fs::remove_all(next, error);
  return {};
}

// Blocks first: those that become a file meanwhile are found as that file.
Result<void> link_uploaded_files(const fs::path& store, const fs::path& to) {
  const fs::path from = store / BlobFiles::kFolder, made = to / BlobFiles::kFolder;
  std::error_code error;
  if (!fs::is_directory(from, error)) return {};
  make_private(made, error);
  if (!error) fs::create_hard_link(from / "account.key", made / "account.key", error);
  if (error) return change_failed("uploaded files cannot be linked", error);
  for (const char* folder : {"parts", "blobs"}) {
    if (const Result<void> linked = link_folder(from / folder, made / folder); !linked) return linked;
  }
  sync_path(made);
  return {};
}

}  // namespace kyanite
