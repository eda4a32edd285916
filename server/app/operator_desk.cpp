#include "server/app/operator_desk.h"

#include <memory>
#include <utility>

#include "protocol/base/limits.h"
#include "server/app/signals.h"
#include "server/observe/log.h"

namespace kyanite {
namespace {

BackupFacts facts_of_backup(const std::string& name, const BackupManifest& manifest) {
  return {name, manifest.created, manifest.bytes(), manifest.files.size()};
}

}  // namespace

OperatorDesk::OperatorDesk(RunningHub hub, std::function<Result<ReloadReport>()> reload)
    : hub_(std::move(hub)), reload_(std::move(reload)), thread_(limits::kAdministrationQueueMax) {}

void OperatorDesk::list_backups(Reply<std::vector<BackupFacts>> reply) {
  post_with_reply<std::vector<BackupFacts>>(
      thread_,
      [this](Reply<std::vector<BackupFacts>> answer) {
        std::vector<BackupFacts> all;
        for (const NamedBackup& backup : list_backups_of(hub_.data))
          all.push_back(facts_of_backup(backup.name, backup.manifest));
        answer(std::move(all));
      },
      std::move(reply));
}

void OperatorDesk::make_backup(std::string name, Reply<BackupFacts> reply) {
  post_with_reply<BackupFacts>(
      thread_,
      [this, name = std::move(name)](Reply<BackupFacts> answer) {
        const SteadyTime began = std::chrono::steady_clock::now();
        const Result<BackupManifest> made = backup_running_hub(
            hub_, name, {.is_cancelled = [this] { return thread_.is_stopping(); }, .moved = {}});
        if (!made) {
          log::error("backup_failed", {{"name", name}, {"reason", made.error().detail}});
          return answer(made.error());
        }
        const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
        log::info("backup_made", {{"name", name},
                                  {"bytes", made->bytes()},
                                  {"files", made->files.size()},
                                  {"took_ms", took.count()}});
        answer(facts_of_backup(name, *made));
      },
      std::move(reply));
}

void OperatorDesk::delete_backup(std::string name, Reply<void> reply) {
  post_with_reply<void>(
      thread_,
      [this, name = std::move(name)](Reply<void> answer) {
        const Result<void> removed = remove_backup(hub_.data, name);
        if (removed) log::info("backup_deleted", {{"name", name}});
        answer(removed);
      },
      std::move(reply));
}

void OperatorDesk::reload(Reply<ReloadReport> reply) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return reply(Error(Errc::shutting_down));
    if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
    waiting_.push_back(std::move(reply));
  }
  Signals::wake();
}

std::string OperatorDesk::log_level() const { return std::string(log::to_text(log::level())); }

Result<void> OperatorDesk::set_log_level(std::string_view level) {
  const auto wanted = log::level_from_text(level);
  if (!wanted) return Error(Errc::argument_invalid, "the level must be debug, info, warning, error or off");
  const log::Level before = log::level();
  if (*wanted == before) return {};
  // Told at a level that both let through, as far as there is one.
  log::set_level(std::min(before, *wanted));
  log::event(log::Level::warning, "log_level_changed",
             {{"from", log::to_text(before)}, {"to", log::to_text(*wanted)}});
  log::set_level(*wanted);
  return {};
}

void OperatorDesk::run_pending() {
  std::deque<Reply<ReloadReport>> replies;
  {
    const std::lock_guard lock(mutex_);
    replies.swap(waiting_);
  }
  if (replies.empty()) return;
  const Result<ReloadReport> report = reload_();  // those who asked at once get one
  for (Reply<ReloadReport>& reply : replies) reply(report);
}

void OperatorDesk::close() {
  std::deque<Reply<ReloadReport>> replies;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    replies.swap(waiting_);
  }
  for (Reply<ReloadReport>& reply : replies) reply(Error(Errc::shutting_down));
  thread_.stop();
}

}  // namespace kyanite
