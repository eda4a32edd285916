#include "server/app/cli/tar_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/app/first_start/files.h"

namespace kyanite::cli {
namespace {

constexpr std::size_t kBlockBytes = 512;
constexpr std::size_t kNameBytesMax = 100;

// One header of POSIX.1-1988: numbers are octal text, the checksum is over the header with blanks in its
// place.
std::array<char, kBlockBytes> tar_header(const std::string& name, std::size_t size, std::int64_t modified) {
  std::array<char, kBlockBytes> header{};
  const auto put = [&](std::size_t at, std::string_view text) {
    std::memcpy(header.data() + at, text.data(), text.size());
  };
  const auto octal = [&](std::size_t at, int digits, unsigned long long value) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, value);
    put(at, text);
  };
  put(0, name);
  octal(100, 7, 0600);
  octal(108, 7, 0);  // owner
  octal(116, 7, 0);  // group
  octal(124, 11, size);
  octal(136, 11, static_cast<unsigned long long>(std::max<std::int64_t>(modified, 0)));
  put(148, "        ");
  header[156] = '0';  // a regular file
  put(257, std::string_view("ustar\0"
                            "00",
                            8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  header[154] = '\0';
  return header;
}

}  // namespace

TarGzWriter::TarGzWriter(std::filesystem::path target)
    : target_(std::move(target)), temporary_(target_.string() + "~.tmp") {}

TarGzWriter::~TarGzWriter() {
  if (!file_) return;
  ::gzclose(file_);
  ::unlink(temporary_.c_str());
}

Error TarGzWriter::failed(const std::string& why) const {
  return Error(Errc::io_failed, "cannot write " + target_.string() + ": " + why);
}

Result<void> TarGzWriter::open() {
  ::unlink(temporary_.c_str());
  const int fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed(system_reason(errno));
  file_ = ::gzdopen(fd, "wb9");
  if (file_) return {};
  ::close(fd);
  ::unlink(temporary_.c_str());
  return failed("out of memory");
}

Result<void> TarGzWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto size = static_cast<unsigned>(std::min<std::size_t>(bytes.size(), 1 << 20));
    errno = 0;
    if (::gzwrite(file_, bytes.data(), size) != static_cast<int>(size))
      return failed(errno != 0 ? system_reason(errno) : "it cannot be compressed");
    bytes.remove_prefix(size);
  }
  return {};
}

Result<void> TarGzWriter::add(const std::string& name, std::string_view content, std::int64_t modified) {
  KYANITE_ASSERT(file_ != nullptr && name.size() <= kNameBytesMax);
  const auto header = tar_header(name, content.size(), modified);
  if (auto written = write({header.data(), header.size()}); !written) return written;
  if (auto written = write(content); !written) return written;
  return write(std::string((kBlockBytes - content.size() % kBlockBytes) % kBlockBytes, '\0'));
}

Result<void> TarGzWriter::finish() {
  if (auto written = write(std::string(2 * kBlockBytes, '\0')); !written) return written;
  errno = 0;
  const int closed = ::gzclose(std::exchange(file_, nullptr));
  if (closed != Z_OK || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const Error error = failed(errno != 0 ? system_reason(errno) : "it cannot be compressed");
    ::unlink(temporary_.c_str());
    return error;
  }
  return {};
}

}  // namespace kyanite::cli
