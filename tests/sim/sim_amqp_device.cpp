#include "tests/sim/sim_amqp_device.h"

#include <utility>

#include "protocol/amqp/message.h"
#include "protocol/auth/sas_token.h"

namespace kyanite::sim {
namespace {

constexpr std::uint32_t kCredit = 100;

}  // namespace

SimAmqpDevice::SimAmqpDevice(Checkers& checkers, Random& random, Identity identity)
    : SimAmqp(checkers, random, name_of(identity) + "@"), identity_(std::move(identity)) {}

std::string SimAmqpDevice::address_of(Node node) const {
  constexpr std::array kNodes{"/messages/events", "/messages/devicebound", "/twin", "/methods/devicebound"};
  return "/devices/" + identity_.device + (identity_.is_module() ? "/modules/" + identity_.module : "") +
         kNodes[static_cast<std::size_t>(node)];
}

void SimAmqpDevice::connect(test::SimHub& hub, AmqpManners manners) {
  const auto& identities = hub.stores.committed().identities;
  const auto record = identities.find(identity_);
  const std::string key =
      record == identities.end() ? "c2VjcmV0LW9mLW5vLW9uZQ==" : record->second.primary_key;
  const auto now = std::chrono::duration_cast<seconds>(hub.loop.wall_now().time_since_epoch()).count();
  std::string resource = test::SimHub::host() + "/devices/" + identity_.device;
  std::string user = identity_.device;
  if (identity_.is_module()) {
    resource += "/modules/" + identity_.module;
    user += "/modules/" + identity_.module;
  }
  manners_ = manners;
  open(hub, user + "@sas.hub", make_sas_token(resource, key, now + random_.between(60, 3600)), resource);
}

void SimAmqpDevice::attach_node(Node node) {
  Pair& at = pair(node);
  if (!is_connected() || at.sender || at.receiver) return;
  if (node == Node::messages && identity_.is_module()) return;
  Client::LinkOptions options;
  at.mode = random_.chance(40) ? amqp::ReceiverMode::second : amqp::ReceiverMode::first;
  at.settled = random_.chance(50);
  at.line = checkers_.new_number();
  if (node == Node::twin || node == Node::methods) {
    options.channel = (node == Node::twin ? "twin:" : "methods:") + std::to_string(at.line);
    options.sender_mode = at.settled ? amqp::SenderMode::settled : amqp::SenderMode::unsettled;
  }
  if (node != Node::messages) at.sender = attach(amqp::Role::sender, address_of(node), options);
  if (node == Node::messages) options.receiver_mode = at.mode;
  if (node != Node::telemetry) at.receiver = attach(amqp::Role::receiver, address_of(node), options);
  flush();
}

void SimAmqpDevice::detach_node(Node node) {
  if (!is_connected()) return;
  const Pair at = std::exchange(pair(node), {});
  if (at.sender) client_->detach(*at.sender);
  if (at.receiver) client_->detach(*at.receiver);
  if (at.sender || at.receiver) tell("detach " + address_of(node));
  if (node == Node::messages) late_.clear();
  flush();
}

// Telemetry

void SimAmqpDevice::publish() {
  const Pair& at = pair(Node::telemetry);
  if (!is_connected() || !at.open || client_->may_send(*at.sender) == 0) return;
  const bool is_batch = random_.chance(30);
  const bool settled = random_.chance(15);
  const std::uint64_t count = is_batch ? 1 + random_.below(4) : 1;
  std::vector<std::uint64_t> numbers;
  std::string payload;
  for (std::uint64_t i = 0; i < count; ++i) {
    numbers.push_back(checkers_.new_number());
    checkers_.telemetry.sent(numbers.back(), identity_, at.line);
    std::string message;
    amqp::append_data(message, "t" + std::to_string(numbers.back()));
    if (is_batch) {
      amqp::append_data(payload, message);
    } else {
      payload = std::move(message);
    }
  }
  checkers_.telemetry.sent_together(numbers.front(), numbers.back());
  tell("publish t" + std::to_string(numbers.front()) + " to t" + std::to_string(numbers.back()) +
       (settled ? " settled" : ""));
  const std::uint32_t delivery =
      client_->send(*at.sender, payload, settled, is_batch ? amqp::kFormatBatch : amqp::kFormatStandard);
  if (!settled) unsettled_[delivery] = std::move(numbers);
  flush();
}

void SimAmqpDevice::send_nonsense() {
  const Pair& at = pair(Node::telemetry);
  if (!is_connected() || !at.open || client_->may_send(*at.sender) == 0) return;
  tell("publish nonsense");
  nonsense_[client_->send(*at.sender, std::string("\x00\x53\x75nonsense", 11), false)] = true;
  flush();
}

void SimAmqpDevice::on_settled(const Client::Settled& settled) {
  for (std::uint32_t delivery = settled.first; delivery - settled.first <= settled.last - settled.first;
       ++delivery) {
    const bool accepted = settled.outcome.kind == amqp::OutcomeKind::accepted;
    if (nonsense_.erase(delivery) != 0) {
      checkers_.judge.require(settled.outcome.kind == amqp::OutcomeKind::rejected,
                              name_ + " has nonsense rejected");
    }
    const auto known = unsettled_.find(delivery);
    if (known == unsettled_.end()) continue;
    checkers_.judge.require(settled.outcome.kind != amqp::OutcomeKind::released &&
                                settled.outcome.kind != amqp::OutcomeKind::modified,
                            name_ + " hears accepted or rejected");
    for (const std::uint64_t number : known->second) {
      tell("t" + std::to_string(number) + (accepted ? " accepted" : " rejected"));
      if (accepted) checkers_.telemetry.acknowledged(number);
    }
    unsettled_.erase(known);
  }
}

// Cloud-to-device messages

void SimAmqpDevice::give_credit() {
  const Pair& at = pair(Node::messages);
  if (!is_connected() || !at.open) return;
  client_->grant(*at.receiver, static_cast<std::uint32_t>(random_.below(20)), random_.chance(20));
  flush();
}

void SimAmqpDevice::on_c2d(std::uint32_t delivery, std::uint64_t number) {
  tell("gets c" + std::to_string(number));
  switch (manners_.messages) {
    case AmqpManners::Settle::prompt:
      return settle(delivery, number, amqp::OutcomeKind::accepted);
    case AmqpManners::Settle::late:
      late_.emplace_back(delivery, number);
      return;
    case AmqpManners::Settle::never:
      return;
    case AmqpManners::Settle::any:
      return settle(delivery, number, static_cast<amqp::OutcomeKind>(random_.below(4)));
  }
}

void SimAmqpDevice::settle(std::uint32_t delivery, std::uint64_t number, amqp::OutcomeKind outcome) {
  switch (outcome) {
    case amqp::OutcomeKind::accepted:
      checkers_.c2d.acknowledged_by_device(number);
      break;
    case amqp::OutcomeKind::rejected:
      checkers_.c2d.rejected_by_device(number);
      break;
    case amqp::OutcomeKind::released:
    case amqp::OutcomeKind::modified:
      checkers_.c2d.abandoned_by_device(number);
      break;
  }
  constexpr std::array kNames{"accepts", "rejects", "releases", "modifies"};
  tell(std::string(kNames[static_cast<std::size_t>(outcome)]) + " c" + std::to_string(number));
  const bool asks = pair(Node::messages).mode == amqp::ReceiverMode::second;
  if (asks) unconfirmed_[delivery] = {number, outcome};
  client_->dispose(delivery, {outcome, std::nullopt}, !asks);
}

void SimAmqpDevice::settle_late() {
  for (const auto& [delivery, number] : std::exchange(late_, {})) {
    if (!is_connected()) return;
    settle(
        delivery, number,
        random_.chance(60) ? amqp::OutcomeKind::accepted : static_cast<amqp::OutcomeKind>(random_.below(4)));
  }
  flush();
}

void SimAmqpDevice::on_confirmed(const Client::Confirmed& confirmed) {
  for (std::uint32_t delivery = confirmed.first;
       delivery - confirmed.first <= confirmed.last - confirmed.first; ++delivery) {
    const auto known = unconfirmed_.find(delivery);
    checkers_.judge.require(known != unconfirmed_.end(), name_ + " hears of what it settled, once");
    if (known == unconfirmed_.end()) continue;
    const auto [number, outcome] = known->second;
    unconfirmed_.erase(known);
    const bool lost = confirmed.outcome.kind == amqp::OutcomeKind::rejected && confirmed.outcome.error;
    tell("c" + std::to_string(number) + (lost ? " was lost" : " is settled"));
    if (lost) continue;
    checkers_.judge.require(confirmed.outcome.kind == outcome, name_ + " hears the outcome it gave");
    const bool ends = outcome == amqp::OutcomeKind::accepted || outcome == amqp::OutcomeKind::rejected;
    if (ends) checkers_.c2d.settlement_confirmed(number);
  }
}

void SimAmqpDevice::behave() {
  manners_ = {};
  settle_late();
  const Pair& at = pair(Node::messages);
  if (is_connected() && at.open) client_->grant(*at.receiver, kCredit);
  flush();
}

// What came

// Most programs attach all their links at once.
void SimAmqpDevice::on_connected() {
  if (random_.chance(30)) return;
  for (const Node node : {Node::telemetry, Node::messages, Node::twin, Node::methods}) attach_node(node);
}

void SimAmqpDevice::on_forgotten() {
  pairs_ = {};
  unsettled_.clear();
  nonsense_.clear();
  unconfirmed_.clear();
  late_.clear();
  late_answers_.clear();
  gets_.clear();
  patches_.clear();
}

void SimAmqpDevice::on_attached(Handle link) {
  for (Pair& at : pairs_) {
    if (at.receiver == link) client_->grant(link, kCredit);
    if (at.receiver ? at.receiver == link : at.sender == link) at.open = true;
  }
}

// One end without the other is of no use.
void SimAmqpDevice::on_detached(Handle link, const std::optional<amqp::Condition>&) {
  for (Pair& at : pairs_) {
    if (at.sender != link && at.receiver != link) continue;
    const auto other = at.sender == link ? at.receiver : at.sender;
    if (other) client_->detach(*other);
    if (&at == &pair(Node::messages)) late_.clear();
    at = {};
  }
}

void SimAmqpDevice::on_received(const Client::Received& received) {
  const auto message = amqp::read_message(received.payload);
  checkers_.judge.require(message.has_value(), name_ + " can read what it is sent");
  if (!message) return;
  if (received.link == pair(Node::messages).receiver) {
    checkers_.judge.require(!received.settled, "messages come unsettled");
    return on_c2d(received.delivery, number_of(body_of(*message), 'c'));
  }
  if (!received.settled) client_->dispose(received.delivery, {}, true);
  if (received.link == pair(Node::twin).receiver) on_twin(*message);
  if (received.link == pair(Node::methods).receiver) on_method(*message);
  for (Pair& at : pairs_) {
    if (at.receiver == received.link) client_->grant(received.link, kCredit);
  }
}

AmqpWatcher::OnMessage SimAmqpDevice::watcher() {
  return [this](const WatchedLink& link, const amqp::Message& message) {
    if (link.address == address_of(Node::messages)) {
      checkers_.c2d.written(body_of(message), identity_, link.line, C2dChecker::Way::lent, hub_->loop.now());
    } else if (link.address == address_of(Node::methods)) {
      checkers_.methods.written(body_of(message), identity_);
    } else if (link.address == address_of(Node::twin)) {
      const std::string id = amqp::text_of(message.properties.correlation_id);
      if (id.starts_with('u')) checkers_.twins.unsubscribed(link.line);
      if (!id.empty()) return;
      const auto body = parse_json(body_of(message));
      checkers_.judge.require(body.has_value(), "a notification is JSON");
      if (body) checkers_.twins.notified(identity_, link.line, *body, state());
    }
  };
}

}  // namespace kyanite::sim
