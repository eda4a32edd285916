#pragma once

#include <string>

#include "protocol/auth/blob_sas.h"
#include "server/app/task_thread.h"
#include "server/hub/blob_store.h"

namespace kyanite {

// RemoteBlobs asks somebody else's account of the storage service about the blobs that devices say they
// uploaded, on a thread of its own.
//
// Owner: the application, which stops it before the shards go. Bound: limits::kAdministrationQueueMax
// questions that wait, busy beyond; after one without an answer the account is not asked for a pause.
class RemoteBlobs final : public BlobLookup {
 public:
  struct Times {
    seconds connect{3};
    seconds whole{5};
    milliseconds pause = seconds(30);
  };
  explicit RemoteBlobs(BlobAccount account);
  // `base`: "https://{host}", unless a test says otherwise.
  RemoteBlobs(BlobAccount account, std::string base, Times times);
  void stop() { thread_.stop(); }

  // Errors: not_found; io_failed, busy and shutting_down when nobody knows.
  void find(std::string name, Reply<BlobInfo> reply) override;

 private:
  Result<BlobInfo> ask(const std::string& name);

  const BlobAccount account_;
  const std::string base_;
  const Times times_;
  SteadyTime asks_again_{};  // the thread's
  TaskThread thread_;
};

}  // namespace kyanite
