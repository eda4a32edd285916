#include "server/app/snapshot_keeper.h"

#include <memory>

#include "protocol/base/limits.h"
#include "server/app/first_start/files.h"
#include "server/app/signals.h"
#include "server/runtime/hub_clock.h"
#include "storage/rocksdb/rocksdb_stores.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

Error snapshot_failed(const std::string& what, const std::error_code& error) {
  return Error(Errc::io_failed, what + ": " + error.message());
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, error)) {
    std::error_code unknown;
    if (entry.is_regular_file(unknown)) bytes += entry.file_size(unknown);
  }
  return bytes;
}

SnapshotFacts facts_of(const fs::path& folder) {
  std::error_code error;
  const auto written = fs::last_write_time(folder, error);
  // g++ 12 has no clock_cast: by way of how long ago it was.
  const auto ago = std::chrono::duration_cast<milliseconds>(fs::file_time_type::clock::now() - written);
  return {folder.filename().string(), HubClock::real_now() - ago, bytes_in(folder)};
}

}  // namespace

std::optional<Error> SnapshotKeeper::enqueue(Task& task) {
  const std::lock_guard lock(mutex_);
  if (closed_) return Error(Errc::shutting_down);
  if (waiting_.size() >= limits::kAdministrationQueueMax) return Error(Errc::busy);
  waiting_.push_back(std::move(task));
  Signals::wake();
  return std::nullopt;
}

template <class T>
void SnapshotKeeper::ask(UniqueFunction<void(Reply<T>)> work, Reply<T> reply) {
  const auto shared = std::make_shared<Reply<T>>(std::move(reply));
  Task task = [work = std::move(work), shared]() mutable { work(std::move(*shared)); };
  if (const auto refused = enqueue(task)) (*shared)(*refused);
}

std::optional<StoreChange> SnapshotKeeper::run_pending() {
  std::deque<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(waiting_);
  }
  for (Task& task : tasks) task();
  return std::exchange(change_, std::nullopt);
}

void SnapshotKeeper::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  takes_change_ = false;
  run_pending();
}

void SnapshotKeeper::list(Reply<std::vector<SnapshotFacts>> reply) {
  ask<std::vector<SnapshotFacts>>(
      [this](Reply<std::vector<SnapshotFacts>> answer) {
        std::vector<SnapshotFacts> all;
        std::error_code error;
        for (const fs::directory_entry& entry : fs::directory_iterator(folder(), error)) {
          if (entry.path().extension() != ".tmp") all.push_back(facts_of(entry.path()));
        }
        std::sort(all.begin(), all.end(),
                  [](const SnapshotFacts& a, const SnapshotFacts& b) { return a.name < b.name; });
        answer(std::move(all));
      },
      std::move(reply));
}

// Made under another name first: whoever finds a snapshot finds all of it.
void SnapshotKeeper::take(std::string name, Reply<SnapshotFacts> reply) {
  ask<SnapshotFacts>(
      [this, name = std::move(name)](Reply<SnapshotFacts> answer) {
        std::error_code error;
        fs::create_directories(folder(), error);
        const auto count = std::distance(fs::directory_iterator(folder(), error), fs::directory_iterator());
        const fs::path target = folder() / name, making = folder() / (name + "~.tmp");
        const bool is_there = fs::exists(target, error);
        if (!is_there && static_cast<std::size_t>(count) >= limits::kSnapshotsMax)
          return answer(Error(Errc::conflict, "there are 16 snapshots already: delete one first"));
        fs::remove_all(making, error);
        Result<void> made = checkpoint_rocksdb_stores(stores_, making);
        if (made) made = link_uploaded_files(data_ / "store", making);
        if (!made) {
          fs::remove_all(making, error);
          return answer(made.error());
        }
        fs::remove_all(target, error);
        fs::rename(making, target, error);
        if (error) return answer(snapshot_failed("the snapshot cannot be kept", error));
        sync_path(folder());
        answer(facts_of(target));
      },
      std::move(reply));
}

void SnapshotKeeper::remove(std::string name, Reply<void> reply) {
  ask<void>(
      [this, name = std::move(name)](Reply<void> answer) {
        std::error_code error;
        if (fs::remove_all(folder() / name, error) == 0 || error)
          return answer(Error(Errc::not_found, "there is no snapshot of this name"));
        answer({});
      },
      std::move(reply));
}

void SnapshotKeeper::restore(std::string name, Changed changed) {
  ask_change(std::move(name), std::move(changed));
}

void SnapshotKeeper::reset(Changed changed) { ask_change({}, std::move(changed)); }

void SnapshotKeeper::ask_change(std::string snapshot, Changed changed) {
  const auto shared = std::make_shared<Changed>(std::move(changed));
  Task task = [this, snapshot = std::move(snapshot), shared] {
    std::error_code error;
    if (!snapshot.empty() && !fs::is_directory(folder() / snapshot, error))
      return (*shared)(Error(Errc::not_found, "there is no snapshot of this name"));
    if (change_ || !takes_change_) return (*shared)(Error(Errc::busy, "the store is about to change"));
    change_ = StoreChange{snapshot, {}, std::move(*shared)};
  };
  if (const auto refused = enqueue(task)) (*shared)(*refused);
}

}  // namespace kyanite
