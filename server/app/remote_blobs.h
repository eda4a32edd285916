#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "protocol/auth/blob_sas.h"
#include "protocol/base/unique_function.h"
#include "server/hub/blob_store.h"

namespace kyanite {

// RemoteBlobs asks somebody else's account of the storage service about the blobs that devices say they
// uploaded, on a thread of its own.
//
// Owner: the application, which stops it before the shards go. Bound: limits::kAdministrationQueueMax
// questions that wait, busy beyond; after one without an answer the account is not asked for `pause`.
class RemoteBlobs final : public BlobLookup {
 public:
  // `base`: "https://{host}", unless a test says otherwise.
  explicit RemoteBlobs(BlobAccount account, std::string base = {}, milliseconds pause = seconds(30));
  ~RemoteBlobs() override;
  void stop();

  // Errors: not_found; io_failed, busy and shutting_down when nobody knows.
  void find(std::string name, Reply<BlobInfo> reply) override;

 private:
  void work();
  Result<BlobInfo> ask(const std::string& name);

  const BlobAccount account_;
  const std::string base_;
  const milliseconds pause_;
  SteadyTime asks_again_{};  // the thread's
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;  // protected by the mutex
  std::thread thread_;
};

}  // namespace kyanite
