#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/reply.h"

namespace kyanite {

struct BackupFacts {
  std::string name;
  WallTime created{};
  std::uint64_t bytes = 0;  // of all its files
  std::uint64_t files = 0;
};

// What reading the configuration again did.
struct ReloadReport {
  std::vector<std::string> changed;        // in force from now on: "log.level", "certificate", "bearerKeys"
  std::vector<std::string> needs_restart;  // keys whose value in the configuration is not the one in force
  std::vector<std::string> kept;           // sentences: what could not be used, so that the old one stays
};

// OperatorControl is what an operator may ask of the running process as a whole: backups, the configuration,
// the log.
//
// Threads: any shard may ask; replies go home. Bound: limits::kAdministrationQueueMax requests wait,
// limits::kBackupsMax backups are kept.
class OperatorControl {
 public:
  virtual ~OperatorControl() = default;

  virtual void list_backups(Reply<std::vector<BackupFacts>> reply) = 0;
  // A copy of all the hub keeps, under a name that no other has; all or nothing. What was acknowledged before
  // the call is in it. Errors: argument_invalid (the name), conflict, busy, shutting_down, operation_failed
  // with a sentence.
  virtual void make_backup(std::string name, Reply<BackupFacts> reply) = 0;
  // Errors: argument_invalid, not_found, operation_failed.
  virtual void delete_backup(std::string name, Reply<void> reply) = 0;

  // Does what SIGHUP does. Errors: argument_invalid with what is wrong with the configuration; nothing
  // changed then.
  virtual void reload(Reply<ReloadReport> reply) = 0;

  virtual std::string log_level() const = 0;
  // Until the next start or reload. Errors: argument_invalid.
  virtual Result<void> set_log_level(std::string_view level) = 0;
};

}  // namespace kyanite
