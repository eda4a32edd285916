#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "server/app/backup/backup.h"
#include "server/app/task_thread.h"
#include "server/hub/operator_control.h"

namespace kyanite {

// OperatorDesk does what an operator asks of the process: backups on a thread of its own, since they wait for
// the disk, and reloads on the main thread, which owns what they change.
//
// Owner: the application. Threads: OperatorControl's methods from any shard, run_pending() and close() on the
// main thread. Synchronised: the queue of reloads; TaskThread is so itself.
class OperatorDesk final : public OperatorControl {
 public:
  // `reload` runs in run_pending().
  OperatorDesk(RunningHub hub, std::function<Result<ReloadReport>()> reload);

  void list_backups(Reply<std::vector<BackupFacts>> reply) override;
  void make_backup(std::string name, Reply<BackupFacts> reply) override;
  void delete_backup(std::string name, Reply<void> reply) override;
  void reload(Reply<ReloadReport> reply) override;
  std::string log_level() const override;
  Result<void> set_log_level(std::string_view level) override;

  void run_pending();
  // The hub ends: a backup under way is given up, what waits is refused, and nothing more is taken.
  void close();

 private:
  const RunningHub hub_;
  const std::function<Result<ReloadReport>()> reload_;
  std::mutex mutex_;
  std::deque<Reply<ReloadReport>> waiting_;
  bool closed_ = false;
  TaskThread thread_;  // last: its tasks use the rest
};

}  // namespace kyanite
