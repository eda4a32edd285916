#pragma once

#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>

#include "server/app/store_change.h"
#include "server/hub/store_control.h"
#include "storage/stores.h"

namespace kyanite {

// SnapshotKeeper does on the main thread what shards ask of a StoreControl: files may keep a thread waiting.
//
// Owner: the application. Threads: StoreControl's methods from any shard, run_pending on the main thread.
// Synchronised: the queue of requests. Bound: limits::kAdministrationQueueMax of them.
class SnapshotKeeper final : public StoreControl {
 public:
  SnapshotKeeper(std::filesystem::path data, Stores& stores) : data_(std::move(data)), stores_(stores) {}

  void list(Reply<std::vector<SnapshotFacts>> reply) override;
  void take(std::string name, Reply<SnapshotFacts> reply) override;
  void remove(std::string name, Reply<void> reply) override;
  void restore(std::string name, Changed changed) override;
  void reset(Changed changed) override;

  // Gives the change that was asked for; the hub ends then.
  std::optional<StoreChange> run_pending();
  // The hub ends: what waits is done or refused, and nothing more is taken, so that no request holds it up.
  void close();

 private:
  template <class T>
  void ask(UniqueFunction<void(Reply<T>)> work, Reply<T> reply);
  void ask_change(std::string snapshot, Changed changed);
  // Nothing when the main thread will do it.
  std::optional<Error> enqueue(Task& task);
  std::filesystem::path folder() const { return data_ / "snapshots"; }

  const std::filesystem::path data_;
  Stores& stores_;
  std::mutex mutex_;
  std::deque<Task> waiting_;
  bool closed_ = false;
  // The main thread's.
  std::optional<StoreChange> change_;
  bool takes_change_ = true;
};

}  // namespace kyanite
