#pragma once

#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>

#include "config/settings.h"
#include "protocol/auth/access_policy.h"
#include "server/hub/store_control.h"
#include "storage/stores.h"

namespace kyanite {

// What the store becomes before the hub begins anew.
struct StoreChange {
  std::string snapshot;                // empty: a new store
  std::vector<AccessPolicy> policies;  // of the present hub; a new store keeps them
};

// Prepares the changed store beside `store` and lets both change places, in one step for whoever starts next.
// Nothing uses either. Errors: io_failed, and those of the store; it is as it was then.
Result<void> change_store(const std::filesystem::path& data, const StoreChange& change,
                          const Settings::Storage& settings);

// SnapshotKeeper does on the main thread what shards ask of a StoreControl: files may keep a thread waiting.
//
// Owner: the application. Threads: StoreControl's methods from any shard, run_pending on the main thread.
// Synchronised: the queue of requests. Bound: limits::kAdministrationQueueMax of them.
class SnapshotKeeper final : public StoreControl {
 public:
  SnapshotKeeper(std::filesystem::path data, Stores& stores, std::uint64_t incarnation)
      : data_(std::move(data)), stores_(stores), incarnation_(incarnation) {}

  void list(Reply<std::vector<SnapshotFacts>> reply) override;
  void take(std::string name, Reply<SnapshotFacts> reply) override;
  void remove(std::string name, Reply<void> reply) override;
  void restore(std::string name, Reply<std::uint64_t> reply) override;
  void reset(Reply<std::uint64_t> reply) override;

  // Gives the change that was asked for; the hub ends then.
  std::optional<StoreChange> run_pending();
  // The hub ends: what waits is done or refused, and nothing more is taken, so that no request holds it up.
  void close();

 private:
  template <class T>
  void ask(UniqueFunction<void(Reply<T>)> work, Reply<T> reply);
  std::filesystem::path folder() const { return data_ / "snapshots"; }

  const std::filesystem::path data_;
  Stores& stores_;
  const std::uint64_t incarnation_;
  std::mutex mutex_;
  std::deque<Task> waiting_;
  bool closed_ = false;
  // The main thread's.
  std::optional<StoreChange> change_;
  bool takes_change_ = true;
};

}  // namespace kyanite
