#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "protocol/auth/bearer_token.h"
#include "protocol/base/unique_function.h"
#include "server/hub/bearer_key_source.h"

namespace kyanite {

// BearerFetcher fetches the issuer's key set at the start, once an hour, and when a token names an unknown
// key, on a thread of its own. What cannot be fetched or used leaves the keys that are there.
//
// Owner: the application, which stops it before the shards go. Bound: one fetch at a time and at most one in
// `not_before`, whoever asks; those who ask meanwhile wait for the one under way.
class BearerFetcher final : public BearerKeySource {
 public:
  struct Rules {
    std::string uri;
    std::filesystem::path ca_file;    // empty: what the system trusts
    milliseconds not_before{30'000};  // from one fetch to the next
    milliseconds fresh_for{3'600'000};
  };
  // Hands the keys to every shard and then runs the task; called on the fetcher's thread.
  using PublishKeys = std::function<void(std::shared_ptr<const BearerKeys>, Task published)>;
  BearerFetcher(Rules rules, PublishKeys publish);
  ~BearerFetcher() override;
  void stop();

  void fetch(Reply<void> reply) override;
  void fetch_soon();  // nobody waits for it

 private:
  void work();
  void fetch_now();

  const Rules rules_;
  const PublishKeys publish_;
  std::string last_text_;  // the thread's
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by the mutex.
  std::vector<Reply<void>> waiting_;
  bool asked_ = true;
  bool fetching_ = false;
  SteadyTime not_before_{};
  SteadyTime due_{};
  std::thread thread_;
};

}  // namespace kyanite
