#include "server/app/first_start/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace kyanite {
namespace {

// Owns a descriptor until close() or the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error io_error(const std::string& doing, const std::filesystem::path& path) {
  return Error(Errc::io_failed, doing + " " + path.string() + ": " + system_reason(errno));
}

// Makes and syncs the temporary file; errors name the file that is meant.
Result<void> write_new(const std::filesystem::path& temporary, const std::filesystem::path& meant,
                       std::string_view text, mode_t mode) {
  const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) return io_error("cannot write", meant);
  if (::fchmod(file.get(), mode) != 0) return io_error("cannot set the mode of", meant);
  while (!text.empty()) {
    const ssize_t put = ::write(file.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return io_error("cannot write", meant);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(file.get()) != 0) return io_error("cannot write", meant);
  return {};
}

}  // namespace

std::string system_reason(int error) { return std::generic_category().message(error); }

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return io_error("cannot read", path);
  std::string out;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot read", path);
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > bytes_max) return Error(Errc::io_failed, path.string() + " is too large");
  }
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text, mode_t mode) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  ::unlink(temporary.c_str());  // left by a crash; a new file gets the mode we ask for
  Result<void> done = write_new(temporary, path, text, mode);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = io_error("cannot write", path);
  if (!done) {
    ::unlink(temporary.c_str());  // what it holds may be a key
    return done;
  }
  sync_path(path.parent_path().empty() ? "." : path.parent_path());
  return {};
}

void sync_path(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0) ::fsync(file.get());
}

}  // namespace kyanite
