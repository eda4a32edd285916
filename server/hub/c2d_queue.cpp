#include "server/hub/c2d_queue.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/c2d_message.h"

namespace kyanite {
namespace {

C2dEvent event_of(FeedbackStatus status) {
  switch (status) {
    case FeedbackStatus::success:
      return C2dEvent::completed;
    case FeedbackStatus::expired:
      return C2dEvent::expired;
    case FeedbackStatus::delivery_count_exceeded:
      return C2dEvent::delivery_count_exceeded;
    case FeedbackStatus::rejected:
      return C2dEvent::rejected;
    case FeedbackStatus::purged:
      return C2dEvent::purged;
  }
  return C2dEvent::completed;
}

}  // namespace

C2dQueue::C2dQueue(DeviceHost& host) : host_(host), outcomes_(host) {}

C2dQueue::~C2dQueue() {
  host_.executor().cancel(lock_timer_);
  host_.executor().cancel(mark_timer_);
  host_.executor().cancel(retry_timer_);
}

void C2dQueue::load(std::vector<C2dHeader> headers, std::uint64_t next_sequence) {
  if (std::exchange(loaded_, true)) return;
  next_sequence_ = next_sequence;
  for (C2dHeader& header : headers) {
    Message message;
    message.header = std::move(header);
    messages_.push_back(std::move(message));
  }
}

bool C2dQueue::is_quiet() const {
  return operations_ == 0 && !lock_timer_ && !mark_timer_ && !retry_timer_ && outcomes_.is_quiet();
}

void C2dQueue::unload() {
  loaded_ = false;
  messages_.clear();
}

C2dQueue::Messages::iterator C2dQueue::find(std::uint64_t sequence) {
  const auto found = std::lower_bound(
      messages_.begin(), messages_.end(), sequence,
      [](const Message& message, std::uint64_t wanted) { return message.header.sequence < wanted; });
  return found != messages_.end() && found->header.sequence == sequence ? found : messages_.end();
}

bool C2dQueue::has_room() const {
  return messages_.size() + appending_ + purging_ + outcomes_.refused() < limits::kC2dDepthMax;
}

// Sending.

void C2dQueue::send(SendC2d message) {
  const WallTime now = host_.executor().wall_now();
  C2dHeader& header = message.message.header;
  loaded_ = true;  // from now on memory knows more than a store that is read later
  if (header.explicit_expiry && header.expiry <= now) {
    host_.counters().count(C2dEvent::refused);
    return message.reply(Error(Errc::message_expired));
  }
  if (!has_room()) bury_expired();
  outcomes_.write();
  if (!has_room()) {
    host_.counters().count(C2dEvent::refused);
    return message.reply(Error(Errc::c2d_queue_full));
  }

  header.sequence = next_sequence_++;
  header.enqueued = now;
  if (!header.explicit_expiry) header.expiry = now + host_.settings().c2d.default_ttl;
  header.was_sent = false;
  header.delivery_count = 0;
  Message queued;
  queued.header = header;
  std::optional<C2dMessage> body;
  if (can_pass_straight(header)) body = message.message;

  ++operations_;
  ++appending_;
  host_.stores().c2d().append(
      std::move(message.message),
      Reply<void>(host_.executor(), [this, life = life_, queued = std::move(queued), body = std::move(body),
                                     reply = std::move(message.reply)](Result<void> committed) mutable {
        --operations_;
        --appending_;
        host_.counters().count(committed ? C2dEvent::enqueued : C2dEvent::refused);
        if (committed && life == life_) on_appended(std::move(queued), std::move(body));
        reply(std::move(committed));
        host_.settled();
      }));
}

// Appends commit in order, so whatever is still on its way comes later.
bool C2dQueue::can_pass_straight(const C2dHeader& header) const {
  const bool nothing_ahead =
      !reading_ && std::none_of(messages_.begin(), messages_.end(), [&](const Message& ahead) {
        return ahead.is_due() && ahead.header.sequence < header.sequence;
      });
  return nothing_ahead && taker() && fits_window(header);
}

void C2dQueue::on_appended(Message message, std::optional<C2dMessage> body) {
  const std::uint64_t sequence = message.header.sequence;
  insert(std::move(message));
  const auto queued = find(sequence);
  const GrantedFilter* filter = taker();
  if (sequence < drop_below_ && queued->header.enqueued < drop_before_) {
    finish(queued, FeedbackStatus::purged);
    outcomes_.write();
  } else if (body && filter && can_pass_straight(queued->header) && !is_skipped(queued->header, *filter)) {
    deliver(*queued, *std::move(body), filter->qos);
    arm_timers();
  } else {
    pump();
  }
}

void C2dQueue::insert(Message message) {
  const auto place = std::upper_bound(
      messages_.begin(), messages_.end(), message.header.sequence,
      [](std::uint64_t wanted, const Message& other) { return wanted < other.header.sequence; });
  messages_.insert(place, std::move(message));
}

// Settling.

void C2dQueue::settle(SettleC2d settlement) {
  const auto message = find(settlement.sequence);
  // One of an earlier delivery may have been under way as that was taken back.
  if (message == messages_.end() || !message->locked_until || message->lend != settlement.lend) {
    if (settlement.reply) settlement.reply(Error(Errc::lock_lost));
    return;
  }
  switch (settlement.settlement) {
    case C2dSettlement::complete:
      finish(message, FeedbackStatus::success);
      break;
    case C2dSettlement::reject:
      finish(message, FeedbackStatus::rejected);
      break;
    case C2dSettlement::abandon:
      message->unmarked = true;
      if (count_up(*message)) {
        finish(message, FeedbackStatus::delivery_count_exceeded);
      } else {
        give_back(*message);
      }
      break;
  }
  if (settlement.reply) {
    outcomes_.write(std::move(settlement.reply));
  } else {
    outcomes_.write();
  }
  pump();
}

C2dQueue::Messages::iterator C2dQueue::finish(Messages::iterator message, FeedbackStatus status) {
  host_.counters().count(event_of(status));
  host_.message_ended(message->header, status);
  outcomes_.remove(message->header.sequence, feedback_of(message->header, status));
  return messages_.erase(message);
}

std::optional<FeedbackRecord> C2dQueue::feedback_of(const C2dHeader& header, FeedbackStatus status) const {
  if (!wants_feedback(header.ack, status)) return std::nullopt;
  FeedbackRecord record;
  if (const IdentityRecord* device = host_.identity({})) record.generation_id = device->generation_id;
  record.device = host_.device();
  record.original_message_id = feedback_message_id(record.device, record.generation_id, header);
  record.time = host_.executor().wall_now();
  record.status = status;
  return record;
}

void C2dQueue::withdraw(const Message& message) {
  if (message.locked_until) host_.send({}, WithdrawC2d{message.header.sequence});
}

bool C2dQueue::count_up(Message& message) const {
  ++message.header.delivery_count;
  return message.header.delivery_count >= host_.settings().c2d.max_delivery_count;
}

void C2dQueue::give_back(Message& message) {
  message.locked_until.reset();
  message.lease.reset();
  message.resend = false;
  if (!message.unmarked) return;
  message.unmarked = false;
  outcomes_.mark({message.header.sequence, message.header.delivery_count, message.header.was_sent});
}

void C2dQueue::expire() {
  bury_expired();
  outcomes_.write();
  pump();
}

// A message that expires while it is with the device may still be completed (5.6).
void C2dQueue::bury_expired() {
  const WallTime now = host_.executor().wall_now();
  for (auto message = messages_.begin(); message != messages_.end();) {
    if (!message->is_due() || message->header.expiry > now) {
      ++message;
      continue;
    }
    withdraw(*message);
    message = finish(message, FeedbackStatus::expired);
  }
}

// The whole queue.

std::vector<QueuedC2d> C2dQueue::list() const {
  std::vector<QueuedC2d> all;
  all.reserve(messages_.size());
  for (const Message& message : messages_) all.push_back({message.header, !message.is_free()});
  return all;
}

void C2dQueue::purge(PurgeC2d message) {
  if (messages_.empty()) return message.reply(std::uint64_t{0});
  C2dOutcome outcome;
  outcome.device = host_.device();
  for (Message& gone : messages_) {
    withdraw(gone);
    gone.locked_until.reset();
    gone.lease.reset();
    gone.resend = false;
    outcome.removed.push_back(gone.header.sequence);
    auto feedback = feedback_of(gone.header, FeedbackStatus::purged);
    if (feedback) outcome.feedback.push_back(*std::move(feedback));
  }
  const bool has_feedback = !outcome.feedback.empty();
  Messages taken = std::exchange(messages_, {});
  ++operations_;
  purging_ += taken.size();
  host_.stores().c2d().settle(
      std::move(outcome),
      Reply<void>(host_.executor(), [this, life = life_, has_feedback, taken = std::move(taken),
                                     reply = std::move(message.reply)](Result<void> committed) mutable {
        --operations_;
        purging_ -= taken.size();
        if (committed) {
          host_.counters().count(C2dEvent::purged, taken.size());
          if (has_feedback) host_.feedback_written();
          if (life == life_) {
            for (const Message& gone : taken) host_.message_ended(gone.header, FeedbackStatus::purged);
          }
          reply(std::uint64_t{taken.size()});
        } else {
          reply(committed.error());
          if (life == life_) {
            for (Message& back : taken) insert(std::move(back));
            pump();
          }
        }
        host_.settled();
      }));
}

void C2dQueue::on_erased() {
  ++life_;
  ++round_;
  messages_.clear();
  outcomes_.forget();
  host_.executor().cancel(std::exchange(lock_timer_, TimerId{}));
  host_.executor().cancel(std::exchange(mark_timer_, TimerId{}));
  host_.executor().cancel(std::exchange(retry_timer_, TimerId{}));
}

}  // namespace kyanite
