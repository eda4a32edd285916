#pragma once

#include <filesystem>
#include <string>

#include "protocol/base/result.h"

namespace kyanite {

// DataDirectory is the hub's directory, made when absent and locked while this object lives, so that one
// process at a time uses it.
//
// Owner: the application. Errors of open(): Errc::io_failed with a sentence for the operator: cannot be made,
// is no directory, may not be written, is in use by another hub (with its process id when known).
class DataDirectory {
 public:
  static Result<DataDirectory> open(const std::filesystem::path& path);

  // Whether a process has it, as far as this user may look.
  static bool is_in_use(const std::filesystem::path& path);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&&) = delete;
  ~DataDirectory();

  const std::filesystem::path& path() const { return path_; }  // absolute
  std::filesystem::path store() const { return path_ / "store"; }
  std::filesystem::path pki() const { return path_ / "pki"; }
  std::filesystem::path hub_json() const { return path_ / "hub.json"; }
  // Whether group or others could enter before open() took that right away.
  bool was_open_to_others() const { return was_open_to_others_; }

 private:
  DataDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
  bool was_open_to_others_ = false;
};

}  // namespace kyanite
