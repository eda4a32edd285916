#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "storage/document_store.h"

namespace kyanite {

// A finished upload, for back ends.
struct FileNotification {
  std::string id;  // in the order of their times
  std::string device;
  std::string blob_uri;
  std::string blob;
  WallTime last_updated = kNever;
  std::uint64_t blob_bytes = 0;
  WallTime enqueued = kNever;
};

// One that a receiver has for a while; the token names the lock on it.
struct LockedNotification {
  std::string lock_token;  // a GUID
  FileNotification notification;
};

// FileNotificationQueue gives notifications of files to receivers who compete for them (spec amqp.md 5.3).
// One is locked until it is completed, abandoned or its lock ends; then it is given out again, kDeliveriesMax
// times in all. Locks and the count are in memory: a new start forgets them, never a notification.
//
// Owner: FileUploads, which stores the notifications and shows them to REST, locked or not. Threads: any may
// ask; work runs on shard 0. Bound: kLocksMax locked ones, limits::kFeedbackWaitersMax receivers that wait.
class FileNotificationQueue {
 public:
  static constexpr seconds kLockTime{60};
  static constexpr std::uint32_t kDeliveriesMax = 10;
  static constexpr std::size_t kLocksMax = 64;

  // What it needs of the notifications' owner.
  struct Source {
    // The oldest ones, at most so many.
    std::function<void(std::size_t limit, Reply<std::vector<FileNotification>> reply)> oldest;
    std::function<void(std::string id, Reply<void> reply)> erase;
  };
  FileNotificationQueue(Executor& shard0, Source source) : shard0_(shard0), source_(std::move(source)) {}
  FileNotificationQueue(const FileNotificationQueue&) = delete;
  FileNotificationQueue& operator=(const FileNotificationQueue&) = delete;

  std::uint64_t new_waiter() { return last_waiter_.fetch_add(1) + 1; }
  // When there is one. Who cancels may be answered all the same, with one to be given back. Errors: busy,
  // storage_failed.
  void await(std::uint64_t waiter, Reply<LockedNotification> reply);
  void cancel(std::uint64_t waiter);
  // At once: not_found when there is none that others do not have. Errors: as await().
  void receive(Reply<LockedNotification> reply);
  // On shard 0: one was stored.
  void on_added() { serve(); }

  // After the commit. Errors: lock_lost, storage_failed.
  void complete(std::string lock_token, Reply<void> reply);
  void abandon(std::string lock_token, Reply<void> reply);
  // It was not sent to its receiver after all: given out again, and that it was given out counts not.
  void return_unsent(std::string lock_token);

 private:
  struct Waiter {
    std::uint64_t name = 0;  // 0: of receive(), which does not wait
    Reply<LockedNotification> reply;
  };
  struct Lock {
    std::string id;
    WallTime until;
    bool completing = false;
  };
  using Locks = std::unordered_map<std::string, Lock>;

  void add_waiter(Waiter waiter);
  void serve();
  void answer_who_does_not_wait();
  void on_found(Result<std::vector<FileNotification>> found);
  void forget_older(const std::optional<std::string>& oldest);
  void give(FileNotification notification);
  Locks::iterator find_held(const std::string& token);
  void end_locks();
  void arm_timer();
  bool is_locked(const std::string& id) const;

  Executor& shard0_;
  const Source source_;
  std::deque<Waiter> waiters_;
  Locks locks_;                                      // by token
  std::map<std::string, std::uint32_t> deliveries_;  // by id, of those given out before
  bool reading_ = false;
  bool read_again_ = false;
  TimerId timer_{};
  std::atomic<std::uint64_t> last_waiter_{0};
};

}  // namespace kyanite
