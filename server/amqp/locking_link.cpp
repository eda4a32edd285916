#include "server/amqp/locking_link.h"

#include <algorithm>
#include <utility>

#include "server/amqp/link_openers.h"
#include "server/amqp/property_text.h"

namespace kyanite {

amqp::Acceptance LockingLink::acceptance() {
  amqp::Acceptance acceptance;
  acceptance.sender_mode = amqp::SenderMode::unsettled;
  return acceptance;
}

std::string LockingLink::hub_name() const {
  const std::string& host = connection().shard().security().host_names.front();
  return host.substr(0, host.find('.'));
}

LockingLink::~LockingLink() {
  if (lock_timer_) connection().services().executor.cancel(lock_timer_);
}

// While a drain looks what is there an earlier waiter stays: it may have been given something already.
void LockingLink::on_room() {
  amqp::Engine& engine = connection().engine();
  forget_ended();
  if (ready_ && connection().may_send(id()) > 0) send(*std::exchange(ready_, std::nullopt));
  if (ready_) return;
  const bool wants = engine.credit(id()) > 0 && held_.size() < kHeldMax;
  if (engine.is_draining(id())) {
    if (!wants) return on_nothing();
    if (!std::exchange(looking_, true)) look();
    return;
  }
  if (held_.size() >= kHeldMax) wait_for_locks();
  if (wants && !waiter_) {
    waiter_ = new_waiter();
    ask(*waiter_);
  } else if (engine.credit(id()) == 0 && waiter_) {
    cancel(*std::exchange(waiter_, std::nullopt));
  }
}

void LockingLink::on_ready(std::uint64_t waiter, std::string lock_token, std::string message) {
  if (waiter_ != waiter || connection().engine().credit(id()) == 0) {  // it came too late
    if (waiter_ == waiter) waiter_.reset();
    return return_unsent(lock_token);
  }
  waiter_.reset();
  ready_ = Ready{std::move(lock_token), std::move(message)};
  on_room();
}

void LockingLink::on_failed(std::uint64_t waiter, const Error& error) {
  if (waiter_ != waiter) return;
  waiter_.reset();
  connection().detach(id(), condition_of(error));
}

void LockingLink::on_looked(std::string lock_token, std::string message) {
  looking_ = false;
  if (ready_ || connection().engine().credit(id()) == 0) return return_unsent(lock_token);
  ready_ = Ready{std::move(lock_token), std::move(message)};
  on_room();
}

void LockingLink::on_nothing() {
  looking_ = false;
  amqp::Engine& engine = connection().engine();
  if (!engine.is_draining(id())) return on_room();
  if (ready_) return;
  if (waiter_) cancel(*std::exchange(waiter_, std::nullopt));
  engine.drained(id());
}

void LockingLink::send(Ready ready) {
  const std::uint64_t key = ++last_key_;
  const std::string tag = guid_bytes(ready.lock_token);
  held_[key] = {std::move(ready.lock_token), connection().services().executor.wall_now() + lock_time_};
  amqp::Sending sending;
  sending.key = key;
  sending.tag = tag;
  connection().engine().send(id(), sending, ready.message);
}

// A late outcome of these is answered by the engine: the lock is lost.
void LockingLink::forget_ended() {
  const WallTime now = connection().services().executor.wall_now();
  for (auto held = held_.begin(); held != held_.end();) {
    if (held->second.until > now) {
      ++held;
      continue;
    }
    connection().engine().forget_sent(id(), held->first);
    held = held_.erase(held);
  }
}

// A peer that settles nothing, and says nothing, goes on when the first lock has ended.
void LockingLink::wait_for_locks() {
  if (lock_timer_) return;
  Executor& executor = connection().services().executor;
  const auto first = std::min_element(held_.begin(), held_.end(), [](const auto& a, const auto& b) {
    return a.second.until < b.second.until;
  });
  const milliseconds left = first->second.until - executor.wall_now();
  lock_timer_ = executor.after(std::clamp(left, milliseconds(1), lock_time_),
                               [&shard = connection().shard(), number = connection().number(), link = id()] {
                                 AmqpConnection* found = shard.find(number);
                                 AmqpLink* self = found ? found->find(link) : nullptr;
                                 if (!self) return;
                                 auto& locking = static_cast<LockingLink&>(*self);
                                 locking.lock_timer_ = {};
                                 locking.on_room();
                                 found->flush();
                               });
}

void LockingLink::on_outcome(const amqp::OutcomeReceived& received) {
  const auto held = held_.find(received.key);
  if (held == held_.end()) return;
  const std::string token = std::move(held->second.lock_token);
  held_.erase(held);
  Reply<void> reply = connection().reply_to_link<void, LockingLink>(
      id(), [key = received.key, outcome = received.outcome, settled = received.settled](
                LockingLink& self, const Result<void>& done) {
        if (settled) return;  // the peer hears nothing of it
        const amqp::Outcome lost{amqp::OutcomeKind::rejected,
                                 done ? amqp::Condition{} : condition_of(done.error())};
        self.connection().engine().settle_sent(self.id(), key, done ? outcome : lost);
      });
  const bool goes = received.outcome.kind == amqp::OutcomeKind::accepted ||
                    received.outcome.kind == amqp::OutcomeKind::rejected;
  if (goes) {
    complete(token, std::move(reply));
  } else {
    abandon(token, std::move(reply));
  }
  on_room();
}

void LockingLink::give_back(const std::string& lock_token) {
  abandon(lock_token, Reply<void>(connection().services().executor, [](const Result<void>&) {}));
}

void LockingLink::on_ending() {
  if (waiter_) cancel(*std::exchange(waiter_, std::nullopt));
  if (ready_) return_unsent(std::exchange(ready_, std::nullopt)->lock_token);
  for (const auto& [key, held] : std::exchange(held_, {})) give_back(held.lock_token);
}

}  // namespace kyanite
