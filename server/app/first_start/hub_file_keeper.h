#pragma once

#include <filesystem>
#include <mutex>
#include <optional>

#include "protocol/auth/access_policy.h"
#include "server/app/first_start/hub_file.h"

namespace kyanite {

// HubFileKeeper keeps hub.json true while the hub runs: written once it is ready, rewritten when the owner's
// key is replaced, gone from the stop on.
//
// Owner: the application. Threads: any; a call waits for the file of another.
// Errors: Errc::io_failed with a sentence that names the file.
class HubFileKeeper {
 public:
  // `owner` is the policy whose connection string the file carries.
  HubFileKeeper(std::filesystem::path path, AccessPolicy owner);

  // Writes the file. Answers it with the connection strings filled in.
  Result<HubFile> publish(HubFile file);
  // Takes another key; the file is rewritten when it is there and the key is not the present one.
  Result<void> set_owner(const AccessPolicy& owner);
  // Takes the file away; it does not come back.
  void remove();

 private:
  Result<void> write();

  std::mutex mutex_;
  const std::filesystem::path path_;
  AccessPolicy owner_;
  std::optional<HubFile> published_;
};

}  // namespace kyanite
