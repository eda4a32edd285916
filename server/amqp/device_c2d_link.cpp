#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "server/amqp/c2d_conversion.h"
#include "server/amqp/device_link.h"
#include "server/amqp/link_openers.h"
#include "server/amqp/property_text.h"

namespace kyanite {
namespace {

// C2dLink gives a device its cloud-to-device messages. The owner lends as many as there is credit and room
// for, each under a lock that ends there; the device's outcome settles it (spec amqp.md 7.4). What could not
// be sent would lose its lock here, and with it its place in the queue.
//
// Bound: limits::kC2dWindowMessages of the owner's window.
class C2dLink final : public AmqpDeviceLink {
 public:
  using AmqpDeviceLink::AmqpDeviceLink;

  void lend(LendC2d lent) override {
    take_back(lent.message.header.sequence);
    waiting_.push_back(std::move(lent));
    send_waiting();
  }

  void withdraw(std::uint64_t sequence) override {
    take_back(sequence);
    ask();
  }

  void on_room() override {
    send_waiting();
    ask();
  }

  void on_outcome(const amqp::OutcomeReceived& received) override {
    const auto sent = sent_.find(received.key);
    if (sent == sent_.end()) return;
    const Delivery delivery = sent->second;
    sent_.erase(sent);
    device().note_activity();
    Reply<void> reply;
    if (!received.settled) {  // mode second: told when it is stored
      reply = connection().reply_to_link<void, C2dLink>(
          id(), [key = received.key, outcome = received.outcome](C2dLink& self, const Result<void>& done) {
            const amqp::Outcome lost{amqp::OutcomeKind::rejected,
                                     done ? amqp::Condition{} : condition_of(done.error())};
            self.connection().engine().settle_sent(self.id(), key, done ? outcome : lost);
          });
    }
    device().settle_c2d(delivery.sequence, delivery.lend, settlement_of(received.outcome.kind),
                        std::move(reply));
    ask();
  }

 private:
  struct Delivery {
    std::uint64_t sequence = 0;
    std::uint64_t lend = 0;
  };

  static C2dSettlement settlement_of(amqp::OutcomeKind outcome) {
    switch (outcome) {
      case amqp::OutcomeKind::accepted:
        return C2dSettlement::complete;
      case amqp::OutcomeKind::rejected:
        return C2dSettlement::reject;
      case amqp::OutcomeKind::released:
      case amqp::OutcomeKind::modified:
        break;
    }
    return C2dSettlement::abandon;
  }

  // An earlier delivery of the message is over.
  void take_back(std::uint64_t sequence) {
    std::erase_if(waiting_, [sequence](const LendC2d& w) { return w.message.header.sequence == sequence; });
    const auto sent = std::find_if(sent_.begin(), sent_.end(),
                                   [sequence](const auto& s) { return s.second.sequence == sequence; });
    if (sent == sent_.end()) return;
    connection().engine().forget_sent(id(), sent->first);
    sent_.erase(sent);
  }

  void send_waiting() {
    while (!waiting_.empty() && connection().may_send(id()) > 0) {
      const LendC2d& lent = waiting_.front();
      const std::uint64_t key = ++last_key_;
      const std::string tag = guid_bytes(random_guid());
      sent_[key] = {lent.message.header.sequence, lent.lend};
      amqp::Sending sending;
      sending.key = key;
      sending.tag = tag;
      connection().engine().send(id(), sending, write_c2d(lent.message));
      waiting_.pop_front();
    }
  }

  void ask() {
    amqp::Engine& engine = connection().engine();
    const auto used = static_cast<std::uint32_t>(waiting_.size());
    const auto more_of = [used](std::uint32_t most) { return most > used ? most - used : 0; };
    const std::uint32_t credit = engine.credit(id());
    if (!engine.is_draining(id()) || draining_) {
      return device().allow_c2d(more_of(std::min(credit, connection().may_send(id()))));
    }
    draining_ = true;
    device().allow_c2d(more_of(credit),
                       connection().reply_to_link<void, C2dLink>(
                           id(), [](C2dLink& self, const Result<void>&) { self.on_drained(); }));
  }

  // What the owner had is here. What waits for room is sent first, and asks once more.
  void on_drained() {
    draining_ = false;
    send_waiting();
    if (waiting_.empty() && connection().engine().is_draining(id())) connection().engine().drained(id());
    if (waiting_.empty()) ask();
  }

  std::deque<LendC2d> waiting_;                       // for room
  std::unordered_map<std::uint64_t, Delivery> sent_;  // by its key
  std::uint64_t last_key_ = 0;
  bool draining_ = false;
};

}  // namespace

std::unique_ptr<AmqpDeviceLink> make_c2d_link(AmqpConnection& connection, AmqpDevice& device,
                                              const amqp::AttachReceived& attach) {
  return std::make_unique<C2dLink>(connection, device, attach, AmqpNode::device_c2d);
}

}  // namespace kyanite
