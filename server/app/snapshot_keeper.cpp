#include "server/app/snapshot_keeper.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/base/limits.h"
#include "server/app/hub_records.h"
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
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::uint64_t size = entry.file_size(error);
    if (!error) bytes += size;
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

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

// Tables never change and are shared; everything else the store goes on writing to.
Result<void> copy_store(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directory(to, error);
  if (!error) fs::permissions(to, fs::perms::owner_all, error);
  for (auto entry = fs::directory_iterator(from, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path target = to / entry->path().filename();
    if (entry->path().extension() == ".sst") {
      fs::create_hard_link(entry->path(), target, error);
    } else {
      fs::copy_file(entry->path(), target, error);
      const int descriptor = ::open(target.c_str(), O_RDONLY | O_CLOEXEC);
      if (descriptor >= 0) ::fsync(descriptor);
      if (descriptor >= 0) ::close(descriptor);
    }
    if (error) break;
  }
  if (error) return snapshot_failed("the snapshot cannot be copied", error);
  sync_folder(to);
  return {};
}

Result<void> make_new_store(const fs::path& folder, const StoreChange& change,
                            const Settings::Storage& settings) {
  auto stores = open_rocksdb_stores(folder, settings, {});
  if (!stores) return stores.error();
  const Result<void> kept = store_policies(**stores, change.policies);
  (*stores)->close();
  return kept;
}

}  // namespace

Result<void> change_store(const fs::path& data, const StoreChange& change,
                          const Settings::Storage& settings) {
  const fs::path store = data / "store", next = data / "store.next";
  std::error_code error;
  fs::remove_all(next, error);  // of a hub that was killed within a change
  const Result<void> made = change.snapshot.empty() ? make_new_store(next, change, settings)
                                                    : copy_store(data / "snapshots" / change.snapshot, next);
  if (!made) {
    fs::remove_all(next, error);
    return made.error();
  }
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, store.c_str(), RENAME_EXCHANGE) != 0) {
    const Error failed = snapshot_failed("the stores cannot change places", {errno, std::generic_category()});
    fs::remove_all(next, error);
    return failed;
  }
  sync_folder(data);
  fs::remove_all(next, error);
  return {};
}

template <class T>
void SnapshotKeeper::ask(UniqueFunction<void(Reply<T>)> work, Reply<T> reply) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return reply(Error(Errc::shutting_down));
    if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
    waiting_.push_back(
        [work = std::move(work), reply = std::move(reply)]() mutable { work(std::move(reply)); });
  }
  Signals::wake();
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
        if (const Result<void> made = checkpoint_rocksdb_stores(stores_, making); !made)
          return answer(made.error());
        fs::remove_all(target, error);
        fs::rename(making, target, error);
        if (error) return answer(snapshot_failed("the snapshot cannot be kept", error));
        sync_folder(folder());
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

void SnapshotKeeper::restore(std::string name, Reply<std::uint64_t> reply) {
  ask<std::uint64_t>(
      [this, name = std::move(name)](Reply<std::uint64_t> answer) {
        std::error_code error;
        if (!fs::is_directory(folder() / name, error))
          return answer(Error(Errc::not_found, "there is no snapshot of this name"));
        if (change_ || !takes_change_) return answer(Error(Errc::busy, "the store is about to change"));
        change_ = StoreChange{name, {}};
        answer(incarnation_ + 1);
      },
      std::move(reply));
}

void SnapshotKeeper::reset(Reply<std::uint64_t> reply) {
  ask<std::uint64_t>(
      [this](Reply<std::uint64_t> answer) {
        if (change_ || !takes_change_) return answer(Error(Errc::busy, "the store is about to change"));
        change_ = StoreChange{};
        answer(incarnation_ + 1);
      },
      std::move(reply));
}

}  // namespace kyanite
