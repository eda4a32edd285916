#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"

namespace kyanite::cli {

// EventCheckpoint is a file that keeps, for each consumer group, the offset to go on at in each partition:
// {"GROUP": {"PARTITION": OFFSET}}. Replaced as a whole after each event, so that a reader that is killed
// reads the last one again at most. Not synced: a power cut may cost some more.
//
// Errors: Errc::io_failed and format_error with a sentence that names the file.
class EventCheckpoint {
 public:
  // A file that is not there is one without places.
  static Result<EventCheckpoint> load(std::filesystem::path file, std::string_view group);

  // "0@12,3@7", empty when nothing was read yet.
  std::string places() const;
  // The event was taken: its partition goes on behind it.
  Result<void> pass(std::string_view event_json);

 private:
  EventCheckpoint(std::filesystem::path file, Json all, std::string group);
  Result<void> save() const;

  std::filesystem::path file_;
  Json all_;           // with the other groups
  std::string group_;  // in lower case
  std::map<std::uint64_t, std::uint64_t> next_;
};

}  // namespace kyanite::cli
