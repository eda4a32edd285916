#include "server/hub/file_notification_queue.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"

namespace kyanite {
namespace {

// Of those that are read beside the locked ones some may be past their time.
constexpr std::size_t kReadAhead = 64;
// Locks end by the clock on the wall, which may step.
constexpr milliseconds kLockCheck{2'000};

}  // namespace

void FileNotificationQueue::await(std::uint64_t waiter, Reply<LockedNotification> reply) {
  shard0_.post([this, waiter, reply = std::move(reply)]() mutable {
    add_waiter({waiter, std::move(reply)});
  });
}

void FileNotificationQueue::receive(Reply<LockedNotification> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable { add_waiter({0, std::move(reply)}); });
}

void FileNotificationQueue::add_waiter(Waiter waiter) {
  if (waiters_.size() >= limits::kFeedbackWaitersMax) {
    return waiter.reply(Error(Errc::busy, "too many receivers wait for file notifications"));
  }
  waiters_.push_back(std::move(waiter));
  serve();
}

void FileNotificationQueue::cancel(std::uint64_t waiter) {
  shard0_.post([this, waiter] {
    const auto gone = std::find_if(waiters_.begin(), waiters_.end(),
                                   [waiter](const Waiter& one) { return one.name == waiter; });
    if (gone == waiters_.end()) return;
    gone->reply(Error(Errc::shutting_down, "the receiver waits no more"));
    waiters_.erase(gone);
  });
}

void FileNotificationQueue::serve() {
  end_locks();
  if (waiters_.empty()) return;
  if (locks_.size() >= kLocksMax) return answer_who_does_not_wait();
  if (reading_) {
    read_again_ = true;
    return;
  }
  reading_ = true;
  source_.oldest(
      locks_.size() + kReadAhead,
      Reply<std::vector<FileNotification>>(shard0_, [this](Result<std::vector<FileNotification>> found) {
        reading_ = false;
        on_found(std::move(found));
        std::exchange(read_again_, false) ? serve() : answer_who_does_not_wait();
      }));
}

void FileNotificationQueue::answer_who_does_not_wait() {
  std::erase_if(waiters_, [](Waiter& waiter) {
    if (waiter.name != 0) return false;
    waiter.reply(Error(Errc::not_found, "there is no file notification"));
    return true;
  });
}

// Of those that are gone, erased over REST or to make room, nobody counts deliveries any more.
void FileNotificationQueue::forget_older(const std::optional<std::string>& oldest) {
  deliveries_.erase(deliveries_.begin(), oldest ? deliveries_.lower_bound(*oldest) : deliveries_.end());
}

void FileNotificationQueue::on_found(Result<std::vector<FileNotification>> found) {
  if (!found) {
    if (waiters_.empty()) return;
    Waiter waiter = std::move(waiters_.front());
    waiters_.pop_front();
    return waiter.reply(found.error());
  }
  forget_older(found->empty() ? std::nullopt : std::optional(found->front().id));
  for (FileNotification& notification : *found) {
    if (waiters_.empty() || locks_.size() >= kLocksMax) return;
    if (!is_locked(notification.id)) give(std::move(notification));
  }
}

void FileNotificationQueue::give(FileNotification notification) {
  ++deliveries_[notification.id];
  Waiter waiter = std::move(waiters_.front());
  waiters_.pop_front();
  const std::string token = random_guid();
  locks_[token] = {notification.id, shard0_.wall_now() + kLockTime, false};
  arm_timer();
  waiter.reply(LockedNotification{token, std::move(notification)});
}

bool FileNotificationQueue::is_locked(const std::string& id) const {
  return std::any_of(locks_.begin(), locks_.end(), [&id](const auto& lock) { return lock.second.id == id; });
}

void FileNotificationQueue::complete(std::string lock_token, Reply<void> reply) {
  shard0_.post([this, token = std::move(lock_token), reply = std::move(reply)]() mutable {
    const auto lock = find_held(token);
    if (lock == locks_.end()) return reply(Error(Errc::lock_lost));
    lock->second.completing = true;
    source_.erase(lock->second.id,
                  Reply<void>(shard0_, [this, token, reply = std::move(reply)](Result<void> erased) mutable {
                    const auto completed = locks_.find(token);
                    // Erased over REST meanwhile: it is gone, as the receiver wants it to be.
                    const bool gone = erased || erased.error().code == Errc::not_found;
                    if (gone) {
                      deliveries_.erase(completed->second.id);
                      locks_.erase(completed);
                      reply({});
                    } else {
                      completed->second.completing = false;
                      reply(std::move(erased));
                    }
                    serve();
                  }));
  });
}

void FileNotificationQueue::abandon(std::string lock_token, Reply<void> reply) {
  shard0_.post([this, token = std::move(lock_token), reply = std::move(reply)]() mutable {
    const auto lock = find_held(token);
    if (lock == locks_.end()) return reply(Error(Errc::lock_lost));
    lock->second.until = shard0_.wall_now();
    reply({});
    serve();
  });
}

void FileNotificationQueue::return_unsent(std::string lock_token) {
  shard0_.post([this, token = std::move(lock_token)] {
    const auto lock = find_held(token);
    if (lock == locks_.end()) return;  // its time ended first, which counted
    const auto count = deliveries_.find(lock->second.id);
    if (count != deliveries_.end() && --count->second == 0) deliveries_.erase(count);
    locks_.erase(lock);
    serve();
  });
}

FileNotificationQueue::Locks::iterator FileNotificationQueue::find_held(const std::string& token) {
  end_locks();
  const auto lock = locks_.find(token);
  return lock != locks_.end() && lock->second.completing ? locks_.end() : lock;
}

// One that was given out too often stays locked while it is erased, so that nobody gets it once more.
void FileNotificationQueue::end_locks() {
  const WallTime now = shard0_.wall_now();
  for (auto lock = locks_.begin(); lock != locks_.end();) {
    const bool holds = lock->second.until > now && lock->second.until - now <= kLockTime;
    if (lock->second.completing || holds) {
      ++lock;
      continue;
    }
    const auto count = deliveries_.find(lock->second.id);
    if (count == deliveries_.end() || count->second < kDeliveriesMax) {
      lock = locks_.erase(lock);
      continue;
    }
    lock->second.completing = true;
    source_.erase(lock->second.id, Reply<void>(shard0_, [this, token = lock->first](const Result<void>&) {
                    const auto given_up = locks_.find(token);
                    deliveries_.erase(given_up->second.id);
                    locks_.erase(given_up);
                    serve();
                  }));
    ++lock;
  }
}

void FileNotificationQueue::arm_timer() {
  if (timer_ || locks_.empty()) return;
  timer_ = shard0_.after(kLockCheck, [this] {
    timer_ = {};
    serve();
    arm_timer();
  });
}

}  // namespace kyanite
