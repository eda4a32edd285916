#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/settings.h"
#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "storage/c2d_store.h"

namespace kyanite {

// Feedback that one receiver has for a while; the token names the lock on it.
struct FeedbackBatch {
  std::string lock_token;
  std::vector<FeedbackRecord> records;  // in order, at most limits::kFeedbackBatchMax
};

// FeedbackQueue gives the hub's feedback to its receivers, who compete for it over every protocol (spec
// service-rest.md 8.5, device-mqtt.md 5.7). A batch is locked until it is completed, abandoned or the lock
// ends; then its records are given out again, until their number of deliveries or their time to live ends.
// Locks and the count of deliveries are in memory: a new start forgets them, never a record. A record that no
// receiver completes then ends by its time to live, which counts from the outcome and survives; a write for
// each delivery would buy nothing more.
//
// REST asks and is answered at once; a link of AMQP waits. One of those who wait is given a batch when it is
// full, when kPause has passed since the last one, and at once what another receiver gave back.
//
// Owner: the application. Threads: the methods may be called on any shard; work runs on shard 0 and replies
// go home. Bound: limits::kFeedbackLocksMax locked batches and as many receivers (Errc::busy beyond);
// limits::kFeedbackWaitersMax that wait; what waits is in the store and lives no longer than
// c2d.feedbackTtlSeconds.
class FeedbackQueue {
 public:
  static constexpr seconds kPause{15};  // between batches that are not full (spec amqp.md 5.2)

  FeedbackQueue(Executor& shard0, FeedbackStore& store, const Settings::C2d& rules);
  FeedbackQueue(const FeedbackQueue&) = delete;
  FeedbackQueue& operator=(const FeedbackQueue&) = delete;

  // At once: nothing when there is no feedback. Errors: busy, storage_failed.
  void receive(Reply<std::optional<FeedbackBatch>> reply);
  // When there is feedback; the waiter is a name of new_waiter(), for cancel(). Who cancels may be answered
  // all the same, with a batch to be given back. Errors: busy, storage_failed.
  std::uint64_t new_waiter() { return last_waiter_.fetch_add(1) + 1; }
  void await(std::uint64_t waiter, Reply<FeedbackBatch> reply);
  void cancel(std::uint64_t waiter);
  // Feedback was committed: those who wait may have it.
  void on_written();

  // Errors: lock_lost, busy, storage_failed.
  void complete(std::string lock_token, Reply<void> reply);
  void abandon(std::string lock_token, Reply<void> reply);
  // The batch was not sent to its receiver after all: given out again, and that it was given out counts not.
  void return_unsent(std::string lock_token);

  // Removes what is past its time to live. On shard 0, now and then and when the clock was shifted.
  void sweep();

 private:
  using Receiver = Reply<std::optional<FeedbackBatch>>;
  struct Lock {
    std::vector<FeedbackRecord> records;
    WallTime until;
    bool completing = false;
  };
  using Locks = std::unordered_map<std::string, Lock>;

  struct Waiter {
    std::uint64_t name = 0;
    Reply<FeedbackBatch> reply;
  };
  using Waiters = std::deque<Waiter>;

  void serve();
  // Looks what there is for the first waiter.
  void serve_waiters();
  void on_peeked(const Result<std::vector<FeedbackRecord>>& found);
  void serve_first_waiter();
  void on_read(Result<std::vector<FeedbackRecord>> read);
  void answer(std::vector<FeedbackRecord> records);
  void do_complete(const std::string& token, Reply<void> reply);
  Locks::iterator find_held(const std::string& token);

  void end_locks();
  // What may be given out again; the rest is erased.
  void give_back(std::vector<FeedbackRecord> records);
  bool is_expired(const FeedbackRecord& record) const;
  // Takes the expired ones out of the records and erases them.
  void remove_expired(std::vector<FeedbackRecord>& records);
  void erase(std::vector<std::uint64_t> sequences);
  void flush_erased();
  void on_swept(const Result<std::vector<FeedbackRecord>>& read);

  Executor& shard0_;
  FeedbackStore& store_;
  const Settings::C2d& rules_;
  std::deque<Receiver> receivers_;  // the first one is being served
  bool reading_ = false;
  Waiters waiters_;
  std::unordered_set<std::uint64_t> served_;  // waiters among the receivers, by name
  bool peeking_ = false;
  bool peek_again_ = false;
  SteadyTime last_batch_{};  // given to one who waited
  TimerId pause_timer_{};
  std::atomic<std::uint64_t> last_waiter_{0};
  std::atomic<bool> has_waiters_{false};  // for on_written(), which other shards call
  Locks locks_;
  std::map<std::uint64_t, FeedbackRecord> returned_;             // by sequence
  std::unordered_map<std::uint64_t, std::uint32_t> deliveries_;  // of records locked or returned
  std::uint64_t read_up_to_ = 0;                                 // what the store has beyond is new
  std::vector<std::uint64_t> erased_;                            // to be removed from the store
  bool erasing_ = false;
  bool sweeping_ = false;
  bool more_expired_ = false;  // a sweep found as many as it looks at, and more may be behind them
};

}  // namespace kyanite
