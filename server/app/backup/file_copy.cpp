#include "server/app/backup/file_copy.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "protocol/base/base64.h"
#include "server/app/first_start/files.h"
#include "server/blobs/file_descriptor.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 256 * 1024;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(const char* data, std::size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::string hex() {
    unsigned char digest[32];
    EVP_DigestFinal_ex(context_.get(), digest, nullptr);
    return encode_hex(std::string(reinterpret_cast<const char*>(digest), sizeof digest));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Error copy_failed(const std::string& doing, const fs::path& path, int number) {
  return Error(Errc::io_failed, doing + " " + path.string() + ": " + system_reason(number));
}

Result<void> write_all(int fd, const char* data, std::size_t size, const fs::path& path) {
  while (size > 0) {
    const ssize_t put = ::write(fd, data, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return copy_failed("cannot write", path, errno);
    data += put;
    size -= static_cast<std::size_t>(put);
  }
  return {};
}

// Reads the file, and writes what it reads where `out` is a descriptor.
Result<BackupFile> read_through(const fs::path& from, const std::string& path, int out,
                                const fs::path& target, const Progress& progress) {
  const fs::path source = from / path;
  const FileDescriptor in(::open(source.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (in.number() < 0) return copy_failed("cannot read", source, errno);
  ::posix_fadvise(in.number(), 0, 0, POSIX_FADV_SEQUENTIAL);
  Sha256 sha256;
  BackupFile file{path, 0, {}};
  const std::unique_ptr<char[]> piece(new char[kPieceBytes]);
  for (;;) {
    if (progress.is_cancelled && progress.is_cancelled())
      return Error(Errc::shutting_down, "it was cancelled");
    const ssize_t got = ::read(in.number(), piece.get(), kPieceBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return copy_failed("cannot read", source, errno);
    if (got == 0) break;
    const auto size = static_cast<std::size_t>(got);
    sha256.add(piece.get(), size);
    file.bytes += size;
    if (out >= 0) {
      if (const Result<void> written = write_all(out, piece.get(), size, target); !written)
        return written.error();
    }
    if (progress.moved) progress.moved(size);
  }
  file.sha256 = sha256.hex();
  return file;
}

// What the store makes anew at each start, or has under way.
bool is_left_out(const std::string& name) {
  return name == "LOCK" || name == "LOG" || name.starts_with("LOG.old.") || name.ends_with(".tmp") ||
         name.ends_with(".dbtmp") || name.ends_with(".new");
}

bool is_public(const std::string& path) { return path.starts_with("pki/") && path.ends_with(".pem"); }

}  // namespace

Result<BackupFile> hash_file(const fs::path& folder, const std::string& path, const Progress& progress) {
  return read_through(folder, path, -1, {}, progress);
}

Result<BackupFile> copy_hashed(const fs::path& from, const fs::path& to, const std::string& path,
                               const Progress& progress) {
  const fs::path target = to / path;
  for (fs::path parent; const fs::path& part : fs::path(path).parent_path()) {
    parent /= part;
    if (::mkdir((to / parent).c_str(), 0700) != 0 && errno != EEXIST)
      return copy_failed("cannot make", to / parent, errno);
  }
  const mode_t mode = is_public(path) ? 0644 : 0600;
  const FileDescriptor out(::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (out.number() < 0) return copy_failed("cannot write", target, errno);
  if (::fchmod(out.number(), mode) != 0) return copy_failed("cannot set the mode of", target, errno);
  Result<BackupFile> file = read_through(from, path, out.number(), target, progress);
  if (!file) return file;
  if (::fsync(out.number()) != 0) return copy_failed("cannot write", target, errno);
  return file;
}

Result<std::vector<std::string>> files_of(const fs::path& folder, const std::string& part) {
  std::vector<std::string> found;
  std::error_code error;
  const fs::path root = folder / part;
  if (!fs::exists(root, error)) {
    if (error) return Error(Errc::io_failed, "cannot read " + root.string() + ": " + error.message());
    return found;
  }
  for (auto entry = fs::recursive_directory_iterator(root, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const fs::file_status status = entry->symlink_status(error);
    if (error) break;
    if (fs::is_directory(status) || is_left_out(entry->path().filename().string())) continue;
    if (!fs::is_regular_file(status))
      return Error(Errc::io_failed, entry->path().string() + " is neither a file nor a folder");
    found.push_back(entry->path().lexically_relative(folder).generic_string());
  }
  if (error) return Error(Errc::io_failed, "cannot read " + root.string() + ": " + error.message());
  std::sort(found.begin(), found.end());
  return found;
}

void sync_folders(const fs::path& folder) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_directory(unknown)) sync_path(entry->path());
  }
  sync_path(folder);
}

Result<void> give_to_owner_of(const fs::path& like, const fs::path& folder) {
  struct stat facts {};
  if (::stat(like.c_str(), &facts) != 0) return copy_failed("cannot read", like, errno);
  if (::geteuid() != 0 || (facts.st_uid == ::geteuid() && facts.st_gid == ::getegid())) return {};
  const auto give = [&](const fs::path& path) {
    return ::lchown(path.c_str(), facts.st_uid, facts.st_gid) == 0;
  };
  if (!give(folder)) return copy_failed("cannot change the owner of", folder, errno);
  std::error_code error;
  if (!fs::is_directory(folder, error)) return {};
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!give(entry->path())) return copy_failed("cannot change the owner of", entry->path(), errno);
  }
  if (error) return Error(Errc::io_failed, "cannot read " + folder.string() + ": " + error.message());
  return {};
}

}  // namespace kyanite
