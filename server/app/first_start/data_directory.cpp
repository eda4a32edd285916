#include "server/app/first_start/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

constexpr mode_t kFolderOwnerOnly = 0700;
constexpr int kLockTries = 10;
constexpr std::chrono::milliseconds kLockPause{20};

Error refused(const std::filesystem::path& path, const std::string& why) {
  return Error(Errc::io_failed, "data directory " + path.string() + " " + why);
}

// Whose the nearest directory that is there is, and who we are: in a container the numbers are all there is.
std::string remedy(const std::filesystem::path& path, int error) {
  const std::string otherwise = "; choose another one with --data DIR or make it writable for this user";
  if (error == EROFS) return "; mount it writable, or choose another one with --data DIR";
  struct stat facts {};
  std::filesystem::path there = path;
  while (::stat(there.c_str(), &facts) != 0) {
    if (!there.has_relative_path()) return otherwise;
    there = there.parent_path();
  }
  const uid_t self = ::geteuid();
  if (error != EACCES || facts.st_uid == self) return otherwise;
  const std::string group = std::to_string(::getegid());
  const std::string whose = "; " + there.string() + " belongs to uid " + std::to_string(facts.st_uid) +
                            " and the hub runs as uid " + std::to_string(self) + ": ";
  // A folder above it, as / or /home, is nothing to give away.
  if (there != path) {
    return whose + "have root run `install -d -m 0700 -o " + std::to_string(self) + " -g " + group + " " +
           path.string() + "`, or choose another one with --data DIR";
  }
  return whose + "run `chown -R " + std::to_string(self) + ":" + group + " " + there.string() +
         "` (of a container: on the folder or volume that is mounted there), run the hub as its owner, or "
         "choose "
         "another one with --data DIR";
}

// Whoever holds the lock wrote its process id into the file.
std::string holder(int lock) {
  char digits[32];
  const ssize_t got = ::pread(lock, digits, sizeof digits, 0);
  std::string text(digits, got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? std::string() : " (process " + text + ")";
}

// A command that looks whether a hub is there (is_in_use) has the lock for a moment, which is no reason for a
// hub not to start.
bool take_lock(int lock) {
  for (int tries = 1;; ++tries) {
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK || tries == kLockTries) return false;
    std::this_thread::sleep_for(kLockPause);
  }
}

}  // namespace

Result<DataDirectory> DataDirectory::open(const std::filesystem::path& wanted) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(wanted, error).lexically_normal();
  if (error) return refused(wanted, "has no absolute name: " + error.message());
  if (const auto parent = path.parent_path(); !parent.empty())
    std::filesystem::create_directories(parent, error);
  if (error) return refused(path, "cannot be made: " + error.message() + remedy(path, error.value()));
  if (::mkdir(path.c_str(), kFolderOwnerOnly) != 0 && errno != EEXIST) {
    return refused(path, "cannot be made: " + system_reason(errno) + remedy(path, errno));
  }
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return refused(path, "cannot be read: " + system_reason(errno));
  if (!S_ISDIR(facts.st_mode)) return refused(path, "is no directory; choose another one with --data DIR");

  const std::filesystem::path lock_path = path / "lock";
  // Not through a link: root may open the directory of a service user, for a restore, and empties this file.
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return refused(path, "cannot be written: " + system_reason(errno) + remedy(path, errno));
  if (!take_lock(lock)) {
    Error busy = refused(path, "is in use by another hub" + holder(lock) +
                                   "; stop that one or choose another with --data DIR");
    ::close(lock);
    return busy;
  }
  DataDirectory out(path, lock);
  const std::string id = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, id.data(), id.size(), 0) < 0) {
    return refused(path, "cannot be written: " + system_reason(errno) + remedy(path, errno));
  }
  if ((facts.st_mode & 077) != 0) {
    out.was_open_to_others_ = true;
    if (::chmod(path.c_str(), kFolderOwnerOnly) != 0) {
      return refused(path, "is open to other users and its mode cannot be changed: " + system_reason(errno) +
                               "; it belongs to uid " + std::to_string(facts.st_uid) +
                               " and the hub runs as uid " + std::to_string(::geteuid()) +
                               ": give it to that user with mode 0700, or choose a directory below it with "
                               "--data " +
                               (path / "hub").string() + ", which the hub then makes itself");
    }
  }
  return out;
}

bool DataDirectory::is_in_use(const std::filesystem::path& path) {
  const int lock = ::open((path / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return false;
  const bool is_free = ::flock(lock, LOCK_SH | LOCK_NB) == 0;
  ::close(lock);
  return !is_free;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      was_open_to_others_(other.was_open_to_others_) {}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);  // the lock goes with it
}

}  // namespace kyanite
