#include "bench/load/ack_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/base/assert.h"

namespace kyanite::load {

Result<AckLog> AckLog::open(const std::string& path) {
  if (path.empty()) return AckLog(-1);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return Error{Errc::io_failed, path + ": " + std::strerror(errno)};
  return AckLog(file);
}

AckLog::AckLog(AckLog&& other) noexcept
    : file_(std::exchange(other.file_, -1)), lines_(std::move(other.lines_)) {}

AckLog::~AckLog() {
  if (file_ >= 0) close(file_);
}

void AckLog::acknowledged(std::string_view device, std::uint64_t sequence) {
  if (file_ < 0) return;
  lines_.append("ack ").append(device).append(" ").append(std::to_string(sequence)).append("\n");
}

void AckLog::sent(std::string_view device, std::uint64_t first, std::uint64_t last) {
  if (file_ < 0) return;
  lines_.append("sent ").append(device).append(" ").append(std::to_string(first));
  lines_.append(" ").append(std::to_string(last)).append("\n");
}

void AckLog::write_out() {
  if (lines_.empty()) return;
  const ssize_t written = ::write(file_, lines_.data(), lines_.size());
  KYANITE_ASSERT(written == static_cast<ssize_t>(lines_.size()));
  lines_.clear();
}

}  // namespace kyanite::load
