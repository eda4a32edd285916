#include <memory>
#include <utility>

#include "server/amqp/feedback_conversion.h"
#include "server/amqp/link_openers.h"
#include "server/amqp/locking_link.h"
#include "server/hub/feedback_queue.h"

namespace kyanite {
namespace {

// FeedbackLink receives batches of the hub's feedback, as REST does (spec amqp.md 5.2).
class FeedbackLink final : public LockingLink {
 public:
  FeedbackLink(AmqpConnection& connection, amqp::LinkId id)
      : LockingLink(connection, id, connection.services().settings.c2d.feedback_lock_timeout),
        queue_(connection.services().feedback) {}

 private:
  std::uint64_t new_waiter() override { return queue_.new_waiter(); }

  // Not by reply_to_link: a batch whose link has ended is given back at once.
  void ask(std::uint64_t waiter) override {
    Executor& executor = connection().services().executor;
    queue_.await(waiter, Reply<FeedbackBatch>(executor, [&shard = connection().shard(), &queue = queue_,
                                                         number = connection().number(), link = id(),
                                                         waiter](const Result<FeedbackBatch>& batch) {
                   AmqpConnection* connection = shard.find(number);
                   AmqpLink* found = connection ? connection->find(link) : nullptr;
                   if (found) {
                     static_cast<FeedbackLink*>(found)->on_answer(waiter, batch);
                     connection->flush();
                   } else if (batch) {
                     queue.return_unsent(batch->lock_token);
                   }
                 }));
  }

  void look() override {
    queue_.receive(Reply<std::optional<FeedbackBatch>>(
        connection().services().executor,
        [&shard = connection().shard(), &queue = queue_, number = connection().number(),
         link = id()](const Result<std::optional<FeedbackBatch>>& batch) {
          AmqpConnection* connection = shard.find(number);
          AmqpLink* found = connection ? connection->find(link) : nullptr;
          if (found) {
            static_cast<FeedbackLink*>(found)->on_look(batch);
            connection->flush();
          } else if (batch && *batch) {
            queue.return_unsent((*batch)->lock_token);
          }
        }));
  }

  void on_look(const Result<std::optional<FeedbackBatch>>& batch) {
    if (!batch || !*batch) return on_nothing();
    on_looked((*batch)->lock_token, written(**batch));
  }

  std::string written(const FeedbackBatch& batch) const {
    return write_feedback(batch.records, hub_name(), connection().services().executor.wall_now());
  }

  void on_answer(std::uint64_t waiter, const Result<FeedbackBatch>& batch) {
    if (!batch) return on_failed(waiter, batch.error());
    on_ready(waiter, batch->lock_token, written(*batch));
  }

  void cancel(std::uint64_t waiter) override { queue_.cancel(waiter); }
  void complete(const std::string& lock_token, Reply<void> reply) override {
    queue_.complete(lock_token, std::move(reply));
  }
  void abandon(const std::string& lock_token, Reply<void> reply) override {
    queue_.abandon(lock_token, std::move(reply));
  }
  void return_unsent(const std::string& lock_token) override { queue_.return_unsent(lock_token); }

  FeedbackQueue& queue_;
};

}  // namespace

void open_feedback(AmqpConnection& connection, const amqp::AttachReceived& attach, const Claim& claim) {
  connection.accept(attach.link, LockingLink::acceptance(),
                    std::make_unique<FeedbackLink>(connection, attach.link), claim.id);
}

}  // namespace kyanite
