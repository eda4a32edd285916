#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

struct gzFile_s;

namespace kyanite::cli {

// TarGzWriter writes a .tar.gz of small text files (POSIX ustar over zlib), mode 0600. It is made under a
// temporary name and is there whole after finish(), or not at all.
//
// Written by hand, since libarchive would bring libxml2 and ICU, larger than the hub itself, for this one
// use. Errors: Errc::io_failed with a sentence that names the file.
class TarGzWriter {
 public:
  explicit TarGzWriter(std::filesystem::path target);
  ~TarGzWriter();
  TarGzWriter(const TarGzWriter&) = delete;
  TarGzWriter& operator=(const TarGzWriter&) = delete;

  Result<void> open();
  // `name` has up to 100 bytes. `modified` in seconds since 1970.
  Result<void> add(const std::string& name, std::string_view content, std::int64_t modified);
  Result<void> finish();

 private:
  Result<void> write(std::string_view bytes);
  Error failed(const std::string& why) const;

  const std::filesystem::path target_;
  const std::filesystem::path temporary_;
  gzFile_s* file_ = nullptr;
};

}  // namespace kyanite::cli
