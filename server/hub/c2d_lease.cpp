#include <algorithm>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"
#include "server/hub/c2d_queue.h"

// C2dQueue towards a device that polls over HTTPS (service-rest.md 9.6).
namespace kyanite {

C2dQueue::Messages::iterator C2dQueue::find_lease(const std::string& lock) {
  return std::find_if(messages_.begin(), messages_.end(), [&lock](const Message& message) {
    return message.lease && message.lease->lock == lock;
  });
}

// The lock is there before the body is read, so that no other reader takes the message meanwhile.
void C2dQueue::lease(LeaseC2d message) {
  bury_expired();
  outcomes_.write();
  const auto next = std::find_if(messages_.begin(), messages_.end(),
                                 [](const Message& candidate) { return candidate.is_free(); });
  if (next == messages_.end()) return message.reply(std::optional<C2dLease>());
  if (message.lock_time == milliseconds{0}) message.lock_time = host_.settings().c2d.lock_timeout;
  const std::string lock = random_guid();
  next->lease = Lease{lock, host_.executor().wall_now() + message.lock_time, message.lock_time};
  arm_timers();
  ++operations_;
  host_.stores().c2d().read(
      host_.device(), next->header.sequence, 1, limits::kC2dWindowBytes,
      Reply<std::vector<C2dMessage>>(host_.executor(), [this, lock, message = std::move(message)](
                                                           Result<std::vector<C2dMessage>> read) mutable {
        --operations_;
        on_lease_read(lock, std::move(message), std::move(read));
        host_.settled();
      }));
}

void C2dQueue::on_lease_read(const std::string& lock, LeaseC2d message,
                             Result<std::vector<C2dMessage>> read) {
  const auto leased = find_lease(lock);
  // Purged, or deleted with its device: what is next may be another one.
  if (leased == messages_.end()) return lease(std::move(message));
  if (!read) {
    give_back(*leased);
    pump();
    return message.reply(read.error());
  }
  if (read->empty() || read->front().header.sequence != leased->header.sequence) {
    messages_.erase(leased);  // the store does not have it
    return lease(std::move(message));
  }
  C2dLease given{std::move(read->front()), lock};
  given.message.device = host_.device();
  given.message.header = leased->header;
  leased->header.was_sent = true;
  leased->unmarked = true;
  host_.counters().count(C2dEvent::delivered);
  arm_timers();
  message.reply(std::optional<C2dLease>(std::move(given)));
}

void C2dQueue::settle(SettleLease settlement) {
  const auto message = find_lease(settlement.lock);
  if (message == messages_.end() ||
      message->lease->until <= host_.executor().wall_now()) {  // its timer is about to say so
    return settlement.reply(Error(Errc::lock_lost));
  }
  switch (settlement.settlement) {
    case C2dSettlement::complete:
      finish(message, FeedbackStatus::success);
      break;
    case C2dSettlement::reject:
      finish(message, FeedbackStatus::rejected);
      break;
    case C2dSettlement::abandon:
      return_late(message, true);
      break;
  }
  outcomes_.write(std::move(settlement.reply));
  pump();
}

}  // namespace kyanite
