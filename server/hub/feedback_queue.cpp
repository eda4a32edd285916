#include "server/hub/feedback_queue.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"

namespace kyanite {
FeedbackQueue::FeedbackQueue(Executor& shard0, FeedbackStore& store, const Settings::C2d& rules)
    : shard0_(shard0), store_(store), rules_(rules), last_batch_(shard0.now() - kPause) {}

void FeedbackQueue::receive(Receiver reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable {
    end_locks();
    if (locks_.size() + receivers_.size() >= limits::kFeedbackLocksMax) {
      return reply(Error(Errc::busy, "too many batches of feedback are locked"));
    }
    receivers_.push_back(std::move(reply));
    serve();
  });
}

void FeedbackQueue::complete(std::string lock_token, Reply<void> reply) {
  shard0_.post([this, token = std::move(lock_token), reply = std::move(reply)]() mutable {
    do_complete(token, std::move(reply));
  });
}

void FeedbackQueue::abandon(std::string lock_token, Reply<void> reply) {
  shard0_.post([this, token = std::move(lock_token), reply = std::move(reply)]() mutable {
    const auto lock = find_held(token);
    if (lock == locks_.end()) return reply(Error(Errc::lock_lost));
    std::vector<FeedbackRecord> records = std::move(lock->second.records);
    locks_.erase(lock);
    give_back(std::move(records));
    reply({});
    serve_waiters();
  });
}

void FeedbackQueue::return_unsent(std::string lock_token) {
  shard0_.post([this, token = std::move(lock_token)] {
    const auto lock = find_held(token);
    if (lock == locks_.end()) return;  // its time ended first, which counted
    std::vector<FeedbackRecord> records = std::move(lock->second.records);
    locks_.erase(lock);
    for (const FeedbackRecord& record : records) --deliveries_[record.sequence];
    give_back(std::move(records));
    serve_waiters();
  });
}

// Receivers that wait

void FeedbackQueue::await(std::uint64_t waiter, Reply<FeedbackBatch> reply) {
  shard0_.post([this, waiter, reply = std::move(reply)]() mutable {
    if (waiters_.size() >= limits::kFeedbackWaitersMax) {
      return reply(Error(Errc::busy, "too many receivers wait for feedback"));
    }
    waiters_.push_back({waiter, std::move(reply)});
    has_waiters_ = true;  // before the look at the store: what is committed behind it is told
    serve_waiters();
  });
}

void FeedbackQueue::cancel(std::uint64_t waiter) {
  shard0_.post([this, waiter] {
    const auto gone = std::find_if(waiters_.begin(), waiters_.end(),
                                   [waiter](const Waiter& one) { return one.name == waiter; });
    if (gone == waiters_.end()) {
      served_.erase(waiter);  // it is answered with what there is, but waits no more
      return;
    }
    gone->reply(Error(Errc::shutting_down, "the receiver waits no more"));
    waiters_.erase(gone);
    has_waiters_ = !waiters_.empty();
  });
}

void FeedbackQueue::on_written() {
  if (has_waiters_) shard0_.post([this] { serve_waiters(); });
}

void FeedbackQueue::serve_waiters() {
  if (waiters_.empty()) return;
  if (peeking_) {
    peek_again_ = true;
    return;
  }
  if (locks_.size() + receivers_.size() >= limits::kFeedbackLocksMax) return;  // a sweep looks again
  if (!returned_.empty()) return serve_first_waiter();
  peeking_ = true;
  store_.read(read_up_to_, limits::kFeedbackBatchMax,
              Reply<std::vector<FeedbackRecord>>(
                  shard0_, [this](const Result<std::vector<FeedbackRecord>>& found) { on_peeked(found); }));
}

void FeedbackQueue::on_peeked(const Result<std::vector<FeedbackRecord>>& found) {
  peeking_ = false;
  const bool again = std::exchange(peek_again_, false);
  if (found && !found->empty() && !waiters_.empty()) {
    const milliseconds since = std::chrono::duration_cast<milliseconds>(shard0_.now() - last_batch_);
    if (found->size() >= limits::kFeedbackBatchMax || since >= kPause) return serve_first_waiter();
    if (!pause_timer_) {
      pause_timer_ = shard0_.after(kPause - since, [this] {
        pause_timer_ = {};
        serve_waiters();
      });
    }
  }
  if (again) serve_waiters();
}

// As a receiver among the others; where it finds nothing after all it goes on waiting.
void FeedbackQueue::serve_first_waiter() {
  Waiter waiter = std::move(waiters_.front());
  waiters_.pop_front();
  has_waiters_ = !waiters_.empty();
  last_batch_ = shard0_.now();
  served_.insert(waiter.name);
  receivers_.emplace_back(
      shard0_, [this, waiter = std::move(waiter)](Result<std::optional<FeedbackBatch>> batch) mutable {
        const bool waits_on = served_.erase(waiter.name) > 0;
        if (!batch) {
          waiter.reply(batch.error());
        } else if (*batch) {
          waiter.reply(**std::move(batch));
        } else if (waits_on) {
          waiters_.push_front(std::move(waiter));
          has_waiters_ = true;
        } else {
          waiter.reply(Error(Errc::shutting_down, "the receiver waits no more"));
        }
        serve_waiters();  // nobody told of what was committed meanwhile
      });
  serve();
}

// One receiver after the other: what came back first, then what is new in the store.
void FeedbackQueue::serve() {
  if (reading_ || receivers_.empty()) return;
  std::vector<FeedbackRecord> records;
  while (!returned_.empty() && records.size() < limits::kFeedbackBatchMax) {
    records.push_back(std::move(returned_.begin()->second));
    returned_.erase(returned_.begin());
  }
  remove_expired(records);
  if (!records.empty()) return answer(std::move(records));
  reading_ = true;
  store_.read(read_up_to_, limits::kFeedbackBatchMax,
              Reply<std::vector<FeedbackRecord>>(shard0_, [this](Result<std::vector<FeedbackRecord>> read) {
                reading_ = false;
                on_read(std::move(read));
              }));
}

void FeedbackQueue::on_read(Result<std::vector<FeedbackRecord>> read) {
  if (!read) {
    Receiver receiver = std::move(receivers_.front());
    receivers_.pop_front();
    receiver(read.error());
    return serve();
  }
  const bool was_empty = read->empty();
  if (!was_empty) read_up_to_ = read->back().sequence;
  remove_expired(*read);
  if (read->empty() && !was_empty) return serve();  // all of these were too old
  answer(std::move(*read));
}

void FeedbackQueue::answer(std::vector<FeedbackRecord> records) {
  Receiver receiver = std::move(receivers_.front());
  receivers_.pop_front();
  if (records.empty()) {
    receiver(std::optional<FeedbackBatch>());
  } else {
    FeedbackBatch batch{random_guid(), std::move(records)};
    for (const FeedbackRecord& record : batch.records) ++deliveries_[record.sequence];
    locks_[batch.lock_token] = {batch.records, shard0_.wall_now() + rules_.feedback_lock_timeout, false};
    receiver(std::optional<FeedbackBatch>(std::move(batch)));
  }
  serve();
}

void FeedbackQueue::do_complete(const std::string& token, Reply<void> reply) {
  const auto lock = find_held(token);
  if (lock == locks_.end()) return reply(Error(Errc::lock_lost));
  lock->second.completing = true;
  std::vector<std::uint64_t> sequences;
  for (const FeedbackRecord& record : lock->second.records) sequences.push_back(record.sequence);
  store_.erase(sequences,
               Reply<void>(shard0_, [this, token, reply = std::move(reply)](Result<void> erased) mutable {
                 const auto completed = locks_.find(token);
                 if (erased) {
                   for (const FeedbackRecord& r : completed->second.records) deliveries_.erase(r.sequence);
                   locks_.erase(completed);
                 } else {
                   completed->second.completing = false;
                 }
                 reply(std::move(erased));
                 serve_waiters();  // there may have been too many locks
               }));
}

FeedbackQueue::Locks::iterator FeedbackQueue::find_held(const std::string& token) {
  end_locks();
  const auto lock = locks_.find(token);
  return lock != locks_.end() && lock->second.completing ? locks_.end() : lock;
}

void FeedbackQueue::end_locks() {
  const WallTime now = shard0_.wall_now();
  for (auto lock = locks_.begin(); lock != locks_.end();) {
    // More time left than a lock ever has: the clock was set back, and the lock is taken as ended.
    const bool holds = lock->second.until > now && lock->second.until - now <= rules_.feedback_lock_timeout;
    if (lock->second.completing || holds) {
      ++lock;
      continue;
    }
    std::vector<FeedbackRecord> records = std::move(lock->second.records);
    lock = locks_.erase(lock);
    give_back(std::move(records));
  }
}

void FeedbackQueue::give_back(std::vector<FeedbackRecord> records) {
  std::vector<std::uint64_t> given_up;
  for (FeedbackRecord& record : records) {
    if (deliveries_[record.sequence] >= rules_.feedback_max_delivery_count) {
      given_up.push_back(record.sequence);
    } else {
      returned_.emplace(record.sequence, std::move(record));
    }
  }
  erase(std::move(given_up));
}

bool FeedbackQueue::is_expired(const FeedbackRecord& record) const {
  return record.time + rules_.feedback_ttl <= shard0_.wall_now();
}

void FeedbackQueue::remove_expired(std::vector<FeedbackRecord>& records) {
  std::vector<std::uint64_t> expired;
  std::erase_if(records, [&](const FeedbackRecord& record) {
    if (!is_expired(record)) return false;
    expired.push_back(record.sequence);
    return true;
  });
  erase(std::move(expired));
}

void FeedbackQueue::erase(std::vector<std::uint64_t> sequences) {
  for (const std::uint64_t sequence : sequences) deliveries_.erase(sequence);
  erased_.insert(erased_.end(), sequences.begin(), sequences.end());
  flush_erased();
}

// Nobody waits for this: what the store refuses to remove now, a sweep finds again.
void FeedbackQueue::flush_erased() {
  if (erasing_ || erased_.empty()) return;
  erasing_ = true;
  store_.erase(std::exchange(erased_, {}), Reply<void>(shard0_, [this](const Result<void>& erased) {
                 erasing_ = false;
                 if (!erased) return;
                 flush_erased();
                 if (!erasing_ && std::exchange(more_expired_, false)) sweep();
               }));
}

void FeedbackQueue::sweep() {
  end_locks();
  serve_waiters();
  flush_erased();
  if (sweeping_) return;
  sweeping_ = true;
  store_.read(0, limits::kFeedbackSweepMax,
              Reply<std::vector<FeedbackRecord>>(
                  shard0_, [this](const Result<std::vector<FeedbackRecord>>& read) { on_swept(read); }));
}

// The oldest records are the first to expire. Those that a receiver holds end with their lock. Where there
// are more than one sweep looks at, the next one follows as soon as these are gone: feedback that nobody
// takes must not outgrow the sweeps.
void FeedbackQueue::on_swept(const Result<std::vector<FeedbackRecord>>& read) {
  sweeping_ = false;
  if (!read) return;
  std::vector<std::uint64_t> expired;
  for (const FeedbackRecord& record : *read) {
    const bool is_held = deliveries_.contains(record.sequence) && !returned_.contains(record.sequence);
    if (is_held || !is_expired(record)) continue;
    returned_.erase(record.sequence);
    expired.push_back(record.sequence);
  }
  more_expired_ = read->size() >= limits::kFeedbackSweepMax && !expired.empty();
  erase(std::move(expired));
}

}  // namespace kyanite
