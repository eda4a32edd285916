#include "server/app/backup/directory_check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <system_error>

#include "protocol/auth/certificate_chain.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"
#include "server/app/backup/backup_manifest.h"
#include "server/app/backup/file_copy.h"
#include "server/app/backup/restore.h"
#include "server/app/first_start/files.h"
#include "server/app/first_start/pki.h"
#include "server/blobs/blob_files.h"
#include "server/blobs/file_descriptor.h"
#include "server/runtime/hub_clock.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

// The lock of a data directory, shared among those who only look.
class SharedLock {
 public:
  explicit SharedLock(const fs::path& directory)
      : file_(::open((directory / "lock").c_str(), O_RDONLY | O_CLOEXEC)),
        is_busy_(file_ && ::flock(file_.number(), LOCK_SH | LOCK_NB) != 0) {}
  bool is_busy() const { return is_busy_; }

 private:
  FileDescriptor file_;
  bool is_busy_;
};

std::optional<mode_t> mode_of(const fs::path& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return std::nullopt;
  return facts.st_mode & 07777;
}

class DirectoryChecker {
 public:
  DirectoryChecker(const fs::path& path, const DirectoryCheckHooks& hooks) : path_(path), hooks_(hooks) {}

  Result<CheckedDirectory> run(bool is_backup) {
    CheckedDirectory checked;
    checked.is_backup = is_backup;
    if (is_backup) {
      check_manifest();
    } else {
      check_permissions();
    }
    check_certificates();
    const Result<StoreCounts> store = check_store(path_ / "store", store_hooks());
    if (store) {
      checked.store = *store;
    } else {
      find("store", store.error().detail);
    }
    checked.files = check_uploads();
    return checked;
  }

 private:
  void find(const std::string& where, const std::string& what) const {
    if (hooks_.store.on_finding) hooks_.store.on_finding(where, what);
  }
  void note(const std::string& text) const {
    if (hooks_.on_note) hooks_.on_note(text);
  }
  StoreCheckHooks store_hooks() const {
    StoreCheckHooks hooks = hooks_.store;
    hooks.on_note = hooks_.on_note;
    return hooks;
  }
  void check_manifest();
  void check_permissions();
  void check_secret(const fs::path& file);
  void check_certificates();
  std::uint64_t check_uploads();
  void check_upload(const fs::path& file);

  const fs::path path_;
  const DirectoryCheckHooks& hooks_;
};

void DirectoryChecker::check_manifest() {
  const Result<BackupManifest> manifest = read_manifest(path_);
  if (!manifest) return find("manifest", manifest.error().detail);
  note("a backup of " + to_iso_time(manifest->created) + ", made by version " + manifest->version);
  std::set<std::string> listed;
  std::uint64_t done = 0;
  for (const BackupFile& wanted : manifest->files) {
    listed.insert(wanted.path);
    const Result<BackupFile> file = hash_file(path_, wanted.path, {});
    if (!file) {
      find(wanted.path, file.error().detail);
    } else if (!(*file == wanted)) {
      find(wanted.path, "it is not what the manifest says (" + std::to_string(file->bytes) + " of " +
                            std::to_string(wanted.bytes) + " bytes, or another content)");
    }
    if (hooks_.store.on_progress) hooks_.store.on_progress("files", ++done, manifest->files.size());
  }
  for (const char* part : {"store", "pki"}) {
    const Result<std::vector<std::string>> present = files_of(path_, part);
    if (!present) {
      find(part, present.error().detail);
      continue;
    }
    for (const std::string& file : *present) {
      if (!listed.contains(file)) find(file, "the manifest does not name it");
    }
  }
}

void DirectoryChecker::check_permissions() {
  if (const auto mode = mode_of(path_); mode && (*mode & 077) != 0)
    find(path_.string(), "other users may enter it; run chmod 700 on it");
  std::error_code error;
  if (fs::exists(path_ / "hub.json", error)) {
    check_secret("hub.json");
    note("hub.json is there although no hub runs: one was killed");
  }
  if (is_restore_unfinished(path_))
    find("restore.next", "a restore was cut off; the next start completes it");
}

// Relative to the directory.
void DirectoryChecker::check_secret(const fs::path& file) {
  const auto mode = mode_of(path_ / file);
  if (mode && (*mode & 077) != 0)
    find(file.string(), "it holds a secret and other users may read it; run chmod 600 on it");
}

void DirectoryChecker::check_certificates() {
  const WallTime now = std::max(HubClock::real_now(), pki::kEarliestNow);
  const fs::path folder = path_ / "pki";
  std::error_code error;
  if (!fs::exists(folder, error)) {
    note("no certificates of the hub's own (pki): the settings name one, or the next start makes one");
    return;
  }
  const auto text = [&](const char* name) { return read_file(folder / name); };
  for (const std::string name : {"ca", "server"}) {
    const std::string key_file = "pki/" + name + ".key", certificate_file = "pki/" + name + ".pem";
    const auto key = text((name + ".key").c_str()), certificate = text((name + ".pem").c_str());
    if (!certificate) {
      find(certificate_file, certificate.error().detail);
      continue;
    }
    if (!key) {
      find(key_file, key.error().detail);
      continue;
    }
    check_secret(key_file);
    if (const auto usable = pki::check_pair({*key, *certificate}, now); !usable)
      find(certificate_file, usable.error().detail);
  }
  const auto ca = text("ca.pem"), server = text("server.pem");
  const auto ca_der = ca ? pem_to_der(*ca) : ca.error();
  const auto server_der = server ? pem_to_der(*server) : server.error();
  if (!ca_der || !server_der) return;
  if (const auto chains = verify_certificate_chain(*server_der, *ca_der, now); !chains)
    find("pki/server.pem", "it does not lead to pki/ca.pem: " + chains.error().detail);
}

std::uint64_t DirectoryChecker::check_uploads() {
  const fs::path files = path_ / "store" / BlobFiles::kFolder;
  std::error_code error;
  if (!fs::exists(files, error)) return 0;
  const fs::path key = fs::path("store") / BlobFiles::kFolder / "account.key";
  if (!fs::exists(path_ / key, error)) {
    find(key.string(), "it is missing");
  } else {
    check_secret(key);
  }
  const fs::path blobs = files / "blobs";
  if (!fs::exists(blobs, error) && !error) return 0;  // it comes with the first file
  std::uint64_t count = 0;
  for (auto entry = fs::directory_iterator(blobs, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    check_upload(entry->path());
    ++count;
  }
  if (error) find(blobs.string(), "it cannot be read: " + error.message());
  return count;
}

// As server/blobs/blob_files.h says: a head, JSON with the name, whose hash is the name of the file.
void DirectoryChecker::check_upload(const fs::path& file) {
  constexpr std::size_t kHeadBytes = 4096;
  const std::string where = "uploaded file " + file.filename().string();
  std::string head(kHeadBytes, '\0');
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : ::pread(fd, head.data(), head.size(), 0);
  if (fd >= 0) ::close(fd);
  if (got != static_cast<ssize_t>(kHeadBytes)) return find(where, "its head cannot be read");
  const Result<Json> json = parse_json(head);
  const Json* name = json && json->is_object() ? find_member(*json, "name") : nullptr;
  if (!name || !name->is_string()) return find(where, "its head is damaged");
  std::string hash = sha256_thumbprint(name->get<std::string>());
  std::transform(hash.begin(), hash.end(), hash.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (hash != file.filename()) find(where, "its head is that of another file");
}

}  // namespace

Result<CheckedDirectory> check_directory(const fs::path& path, const DirectoryCheckHooks& hooks) {
  std::error_code error;
  if (!fs::is_directory(path, error))
    return Error(Errc::argument_invalid, path.string() + " is no directory");
  const bool is_backup = fs::exists(path / BackupManifest::kFileName, error);
  if (!is_backup && !fs::exists(path / "store", error) && !is_restore_unfinished(path)) {
    return Error(Errc::argument_invalid,
                 path.string() + " is neither a data directory (no store) nor a backup (no manifest.json)");
  }
  const SharedLock lock(path);
  if (lock.is_busy()) {
    return Error(Errc::conflict,
                 "a hub uses " + path.string() +
                     "; stop it first, or make a backup with `kyanite backup` and check that");
  }
  return DirectoryChecker(path, hooks).run(is_backup);
}

}  // namespace kyanite
