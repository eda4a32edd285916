#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace kyanite::load {

// AckLog tells a crash test what the hub promised. It appends lines to a file:
//   ack DEVICE SEQUENCE          the message was acknowledged
//   sent DEVICE FIRST LAST       at the end: the sequence numbers the device sent, acknowledged or not
// Lines of one turn are written by one write(2) when the turn ends, so they survive the end of this process.
//
// Owner: one worker; several workers may append to the same file, each with its own AckLog.
class AckLog {
 public:
  // An empty path makes a log that keeps nothing. Errors: Errc::io_failed.
  static Result<AckLog> open(const std::string& path);
  AckLog(AckLog&& other) noexcept;
  AckLog& operator=(AckLog&&) = delete;
  ~AckLog();

  void acknowledged(std::string_view device, std::uint64_t sequence);
  void sent(std::string_view device, std::uint64_t first, std::uint64_t last);
  // Stops the process when the file cannot be written: a lost line would make the test lie.
  void write_out();

 private:
  explicit AckLog(int file) : file_(file) {}

  int file_;
  std::string lines_;
};

}  // namespace kyanite::load
