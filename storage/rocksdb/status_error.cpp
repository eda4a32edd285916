#include "storage/rocksdb/status_error.h"

namespace kyanite {

Error damaged_store(const std::filesystem::path& directory, std::string_view what) {
  return Error(Errc::storage_failed,
               "the store in " + directory.string() + " is damaged: " + std::string(what));
}

Error open_error(const std::filesystem::path& directory, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos &&
      (text.find("temporarily unavailable") != std::string::npos ||
       text.find("lock hold") != std::string::npos)) {
    return Error(Errc::config_invalid, "another process is using the store in " + directory.string() +
                                           "; stop it or choose another data directory");
  }
  if (status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound())
    return damaged_store(directory, text + "; restore a backup with `kyanite restore`");
  return Error(Errc::io_failed, "cannot open the store in " + directory.string() + ": " + text);
}

}  // namespace kyanite
