#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/c2d_message.h"
#include "server/hub/c2d_queue.h"

// C2dQueue towards the device: the window, bodies from the store, locks and what returns.
namespace kyanite {
namespace {

constexpr milliseconds kReadRetryAfter{1000};
constexpr milliseconds kMarkAfter{500};

}  // namespace

const GrantedFilter* C2dQueue::taker() const {
  const DeviceLink* link = host_.link({});
  return link ? link->find(FilterKind::c2d) : nullptr;
}

bool C2dQueue::lends() const {
  const DeviceLink* link = host_.link({});
  return link && link->over_amqp;
}

bool C2dQueue::fits_window(const C2dHeader& header) const {
  if (lends() && lent_ >= lent_max_) return false;
  std::size_t count = 0;
  std::size_t bytes = header.bytes;
  for (const Message& message : messages_) {
    if (!message.locked_until) continue;
    ++count;
    bytes += message.header.bytes;
  }
  return count == 0 || (count < limits::kC2dWindowMessages && bytes <= limits::kC2dWindowBytes);
}

bool C2dQueue::is_skipped(const C2dHeader& header, const GrantedFilter& filter) const {
  const Settings::C2d& rules = host_.settings().c2d;
  return rules.pre_subscription == PreSubscription::skip && !lends() &&
         header.enqueued < filter.created - rules.subscription_skew;
}

void C2dQueue::pump() {
  if (reading_ || retry_timer_) return;
  const GrantedFilter* filter = taker();
  if (!filter) return answer_drained();
  bury_expired();
  outcomes_.write();

  // The first message due and those directly behind it.
  std::uint64_t from = 0;
  std::size_t count = 0;
  std::size_t window_count = 0;
  std::size_t window_bytes = 0;
  std::uint64_t credit = lends() ? lent_max_ - std::min(lent_, lent_max_) : limits::kC2dWindowMessages;
  bool window_open = true;
  for (const Message& message : messages_) {
    if (!message.locked_until) continue;
    ++window_count;
    window_bytes += message.header.bytes;
  }
  for (const Message& message : messages_) {
    if (!message.is_due() || is_skipped(message.header, *filter)) {
      if (count > 0) break;
      continue;
    }
    if (!message.resend) {
      // What goes out again is in the window already, and does not wait for the others.
      window_open = window_open && credit > 0 &&
                    (window_count == 0 || (window_count < limits::kC2dWindowMessages &&
                                           window_bytes + message.header.bytes <= limits::kC2dWindowBytes));
      if (!window_open && count > 0) break;
      if (!window_open) continue;
      --credit;
      ++window_count;
      window_bytes += message.header.bytes;
    }
    if (count == 0) from = message.header.sequence;
    ++count;
  }
  if (count == 0) return answer_drained();
  reading_ = true;
  ++operations_;
  // The number bounds the bytes too: each was counted into the window.
  host_.stores().c2d().read(
      host_.device(), from, count, 2 * limits::kC2dWindowBytes,
      Reply<std::vector<C2dMessage>>(host_.executor(),
                                     [this, from, round = round_](Result<std::vector<C2dMessage>> read) {
                                       reading_ = false;
                                       --operations_;
                                       on_read(from, round, std::move(read));
                                       host_.settled();
                                     }));
}

void C2dQueue::on_read(std::uint64_t from, std::uint64_t round, Result<std::vector<C2dMessage>> read) {
  if (!read) {
    if (taker()) retry_later();
    return answer_drained();
  }
  const GrantedFilter* filter = taker();
  if (!filter || round != round_) return pump();
  bury_expired();
  if (read->empty() || read->front().header.sequence > from) {
    // The store does not have it, so there is nothing to deliver or to remove.
    const auto missing = find(from);
    if (missing != messages_.end()) messages_.erase(missing);
  }
  for (C2dMessage& body : *read) {
    const auto message = find(body.header.sequence);
    if (message == messages_.end() || !message->is_due() || is_skipped(message->header, *filter)) continue;
    if (!message->resend && !fits_window(message->header)) break;
    deliver(*message, std::move(body), filter->qos);
  }
  arm_timers();
  pump();
}

void C2dQueue::deliver(Message& message, C2dMessage body, std::uint8_t qos) {
  message.locked_until = host_.executor().wall_now() + host_.settings().c2d.lock_timeout;
  message.resend = false;
  message.lend = 0;
  host_.counters().count(C2dEvent::delivered);
  const bool was_sent = message.header.was_sent;
  if (!was_sent) {
    message.header.was_sent = true;
    message.unmarked = true;
  }
  if (lends()) return lend(message, std::move(body));
  DeliverC2d delivery;
  delivery.sequence = message.header.sequence;
  delivery.topic = c2d_topic_of(body);
  delivery.body = std::move(body.body);
  delivery.qos = qos;
  delivery.was_sent = was_sent;
  host_.send({}, std::move(delivery));
}

void C2dQueue::lend(Message& message, C2dMessage body) {
  message.lend = ++lent_;
  body.device = host_.device();
  body.header = message.header;
  host_.send({}, LendC2d{std::move(body), message.lend});
}

void C2dQueue::allow(AllowC2d message) {
  lent_max_ = message.lent_max;
  if (message.drained) drained_.push_back(std::move(message.drained));
  pump();
}

// What was lent is on its way to the connection already, and the answer follows it.
void C2dQueue::answer_drained() {
  for (Reply<void>& reply : std::exchange(drained_, {})) reply({});
}

void C2dQueue::on_subscribed(bool newly_created) {
  const GrantedFilter* filter = taker();
  if (!filter) return;
  ++round_;
  if (newly_created && !lends()) on_created(filter->created);
  pump();
}

void C2dQueue::on_created(WallTime created) {
  const Settings::C2d& rules = host_.settings().c2d;
  if (rules.pre_subscription == PreSubscription::drop) drop_older(created - rules.subscription_skew);
}

void C2dQueue::drop_older(WallTime before) {
  drop_below_ = next_sequence_;
  drop_before_ = before;
  for (auto message = messages_.begin(); message != messages_.end();) {
    const bool is_older = message->is_free() && message->header.enqueued < before;
    message = is_older ? finish(message, FeedbackStatus::purged) : std::next(message);
  }
  outcomes_.write();
}

// Locks.

void C2dQueue::on_link_ended() {
  ++round_;
  host_.executor().cancel(std::exchange(lock_timer_, TimerId{}));
  host_.executor().cancel(std::exchange(mark_timer_, TimerId{}));
  host_.executor().cancel(std::exchange(retry_timer_, TimerId{}));
  const bool counts = host_.settings().c2d.count_lock_expiry;
  for (auto message = messages_.begin(); message != messages_.end();) {
    if (!message->locked_until) {
      ++message;
      continue;
    }
    withdraw(*message);
    message = return_late(message, counts);
  }
  outcomes_.write();
  arm_timers();  // of leases
}

void C2dQueue::on_unbound() {
  on_link_ended();
  lent_ = 0;
  lent_max_ = 0;
  answer_drained();
}

C2dQueue::Messages::iterator C2dQueue::return_late(Messages::iterator message, bool counts) {
  if (counts) message->unmarked = true;
  if (counts && count_up(*message)) return finish(message, FeedbackStatus::delivery_count_exceeded);
  give_back(*message);
  return std::next(message);
}

std::optional<milliseconds> C2dQueue::lock_left(const Message& message, WallTime now) const {
  if (message.lease) return std::min(message.lease->until - now, message.lease->time);
  if (!message.locked_until || message.resend) return std::nullopt;
  return std::min<milliseconds>(*message.locked_until - now, host_.settings().c2d.lock_timeout);
}

void C2dQueue::end_locks() {
  const WallTime now = host_.executor().wall_now();
  const milliseconds lock_time = host_.settings().c2d.lock_timeout;
  const bool counts = host_.settings().c2d.count_lock_expiry;
  for (auto message = messages_.begin(); message != messages_.end();) {
    // A lock with more than its time left was given before the clock was set back.
    if (message->lease) {
      const milliseconds left = message->lease->until - now;
      const bool holds = left > milliseconds{0} && left <= message->lease->time;
      // Every delivery over HTTPS counts (service-rest.md 9.6).
      message = holds ? std::next(message) : return_late(message, true);
      continue;
    }
    if (!message->locked_until || message->resend ||
        (*message->locked_until > now && *message->locked_until - now <= lock_time)) {
      ++message;
      continue;
    }
    if (lends()) {
      withdraw(*message);
      message = return_late(message, counts);
      continue;
    }
    if (counts && count_up(*message)) {
      withdraw(*message);
      message = finish(message, FeedbackStatus::delivery_count_exceeded);
      continue;
    }
    if (counts) {
      outcomes_.mark({message->header.sequence, message->header.delivery_count, true});
      message->unmarked = false;
    }
    message->resend = true;
    ++message;
  }
  bury_expired();
  outcomes_.write();
  pump();
  arm_timers();
}

void C2dQueue::mark_sent() {
  for (Message& message : messages_) {
    if (message.is_free() || !std::exchange(message.unmarked, false)) continue;
    outcomes_.mark({message.header.sequence, message.header.delivery_count, true});
  }
  outcomes_.write();
}

// One timer for the earliest lock.
void C2dQueue::arm_timers() {
  const bool has_unmarked = std::any_of(messages_.begin(), messages_.end(), [](const Message& message) {
    return !message.is_free() && message.unmarked;
  });
  if (!mark_timer_ && has_unmarked) {
    mark_timer_ = host_.executor().after(kMarkAfter, [this] {
      mark_timer_ = {};
      mark_sent();
      host_.settled();
    });
  }
  const WallTime now = host_.executor().wall_now();
  std::optional<milliseconds> earliest;
  for (const Message& message : messages_) {
    const auto left = lock_left(message, now);
    if (left && (!earliest || *left < *earliest)) earliest = left;
  }
  if (!earliest) return;
  const milliseconds wait = std::max(*earliest, milliseconds{0});
  const SteadyTime at = host_.executor().now() + wait;
  if (lock_timer_ && lock_timer_at_ <= at) return;
  host_.executor().cancel(lock_timer_);
  lock_timer_at_ = at;
  lock_timer_ = host_.executor().after(wait, [this] {
    lock_timer_ = {};
    end_locks();
    host_.settled();
  });
}

void C2dQueue::on_clock_shift() {
  host_.executor().cancel(std::exchange(lock_timer_, TimerId{}));
  end_locks();
}

void C2dQueue::retry_later() {
  if (retry_timer_) return;
  retry_timer_ = host_.executor().after(kReadRetryAfter, [this] {
    retry_timer_ = {};
    pump();
    host_.settled();
  });
}

}  // namespace kyanite
