#include <memory>
#include <utility>

#include "server/amqp/feedback_conversion.h"
#include "server/amqp/link_openers.h"
#include "server/amqp/locking_link.h"
#include "server/hub/file_uploads.h"

namespace kyanite {
namespace {

// FileNotificationLink receives notifications of uploaded files, one in a message (spec amqp.md 5.3).
class FileNotificationLink final : public LockingLink {
 public:
  FileNotificationLink(AmqpConnection& connection, amqp::LinkId id)
      : LockingLink(connection, id, FileNotificationQueue::kLockTime),
        queue_(connection.services().uploads.receivers()) {}

 private:
  std::uint64_t new_waiter() override { return queue_.new_waiter(); }

  // Not by reply_to_link: one whose link has ended is given back at once.
  void ask(std::uint64_t waiter) override {
    Executor& executor = connection().services().executor;
    queue_.await(
        waiter, Reply<LockedNotification>(
                    executor, [&shard = connection().shard(), &queue = queue_, number = connection().number(),
                               link = id(), waiter](const Result<LockedNotification>& locked) {
                      AmqpConnection* connection = shard.find(number);
                      AmqpLink* found = connection ? connection->find(link) : nullptr;
                      if (found) {
                        static_cast<FileNotificationLink*>(found)->on_answer(waiter, locked);
                        connection->flush();
                      } else if (locked) {
                        queue.return_unsent(locked->lock_token);
                      }
                    }));
  }

  void look() override {
    queue_.receive(Reply<LockedNotification>(
        connection().services().executor,
        [&shard = connection().shard(), &queue = queue_, number = connection().number(),
         link = id()](const Result<LockedNotification>& locked) {
          AmqpConnection* connection = shard.find(number);
          AmqpLink* found = connection ? connection->find(link) : nullptr;
          if (found) {
            static_cast<FileNotificationLink*>(found)->on_look(locked);
            connection->flush();
          } else if (locked) {
            queue.return_unsent(locked->lock_token);
          }
        }));
  }

  void on_look(const Result<LockedNotification>& locked) {
    if (!locked) return on_nothing();
    on_looked(locked->lock_token, write_file_notification(locked->notification, hub_name()));
  }

  void on_answer(std::uint64_t waiter, const Result<LockedNotification>& locked) {
    if (!locked) return on_failed(waiter, locked.error());
    on_ready(waiter, locked->lock_token, write_file_notification(locked->notification, hub_name()));
  }

  void cancel(std::uint64_t waiter) override { queue_.cancel(waiter); }
  void complete(const std::string& lock_token, Reply<void> reply) override {
    queue_.complete(lock_token, std::move(reply));
  }
  void abandon(const std::string& lock_token, Reply<void> reply) override {
    queue_.abandon(lock_token, std::move(reply));
  }
  void return_unsent(const std::string& lock_token) override { queue_.return_unsent(lock_token); }

  FileNotificationQueue& queue_;
};

}  // namespace

void open_file_notifications(AmqpConnection& connection, const amqp::AttachReceived& attach,
                             const Claim& claim) {
  connection.accept(attach.link, LockingLink::acceptance(),
                    std::make_unique<FileNotificationLink>(connection, attach.link), claim.id);
}

}  // namespace kyanite
