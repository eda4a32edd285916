#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/amqp/amqp_device.h"
#include "server/amqp/device_link.h"
#include "server/amqp/link_openers.h"
#include "server/hub/throttles.h"

// What the links of a device share: telemetry on its way to the log, messages lent by the owner, requests and
// calls under way.
namespace kyanite {

void AmqpDevice::on_message(ConnectionMessage message) {
  std::visit([this](auto& m) { deliver(m); }, message);
}

// Before the credential, as CONNECT is: the rate is there to keep the hub from work. True when it refused.
bool AmqpDevice::throttled_at_attach(amqp::LinkId link) {
  Throttles& throttles = shard_.services().throttles;
  if (!throttles.is_on()) return false;
  Result<void> admitted = throttles.check_quota(executor().wall_now());
  if (admitted) admitted = throttles.take(ThrottleClass::connections, executor().now());
  if (admitted) return false;
  shard_.observer().on_refused(facts(), admitted.error());
  connection_.refuse(link, condition_of(admitted.error()));
  return true;
}

// Telemetry

// How long the transfer waits for its turn: it is settled no earlier, and the credit that is gone meanwhile
// slows the sender down (spec device-mqtt.md 9.4).
Result<milliseconds> AmqpDevice::reserve_turn(const std::vector<TelemetryItem>& items) {
  Throttles& throttles = shard_.services().throttles;
  if (!throttles.is_on()) return milliseconds{0};
  const WallTime wall = executor().wall_now();
  if (const Result<void> quota = throttles.check_quota(wall); !quota) return quota.error();
  Result<milliseconds> wait = throttles.reserve(ThrottleClass::d2c_sends, executor().now());
  if (!wait) return wait;
  for (const TelemetryItem& item : items) throttles.meter(item.bytes(), wall);
  return wait;
}

// Batches of one shard commit in order, and what is appended in one turn is one batch: the last message is
// acknowledged after all of them.
Result<void> AmqpDevice::append(const amqp::MessageReceived& transfer,
                                const std::vector<TelemetryItem>& items) {
  const Result<milliseconds> wait = reserve_turn(items);
  if (!wait) return wait.error();
  AmqpStatistics& statistics = shard_.statistics();
  const std::uint64_t sequence = ++last_sequence_;
  for (const TelemetryItem& item : items) {
    const bool is_last = &item == &items.back();
    const Result<void> appended = shard_.ingest().append(origin_, item.properties, item.body,
                                                         {self_, sequence}, is_last && !transfer.settled);
    KYANITE_ASSERT(appended);  // read_telemetry() bounds all of them together
    ++statistics.telemetry_messages;
    statistics.telemetry_bytes += item.body.size();
  }
  if (!transfer.settled) {
    unsettled_.push_back({sequence, transfer.link, transfer.delivery, executor().now() + *wait});
  }
  return {};
}

void AmqpDevice::refused_telemetry(const Error& error, std::size_t bytes) {
  shard_.observer().on_telemetry_refused(facts(), error, bytes);
}

void AmqpDevice::on_committed(std::uint64_t sequence) {
  while (!unsettled_.empty() && unsettled_.front().sequence <= sequence) {
    const Unsettled durable = unsettled_.front();
    unsettled_.pop_front();
    if (durable.due <= executor().now()) {
      settle_telemetry(durable);
    } else {
      shaped_.push_back(durable);
    }
  }
  settle_due();
}

void AmqpDevice::settle_telemetry(const Unsettled& unsettled) {
  if (const ActiveFaultsPtr& plan = shard_.faults()) {
    if (const Fault* drop = plan->take_drop(FaultMoment::puback, identity())) return end_by(*drop);
    if (plan->take(FaultKind::lose_puback, identity())) return;
    if (plan->take(FaultKind::hold_pubacks, identity())) return held_.push_back(unsettled);
  }
  connection_.engine().settle(unsettled.link, unsettled.delivery, {});
}

// What was early goes when its time has come, one timer for all of it.
void AmqpDevice::settle_due() {
  if (shaped_.empty() || shaping_timer_) return;
  const SteadyTime now = executor().now();
  for (const Unsettled& early : std::exchange(shaped_, {})) {
    if (early.due <= now) {
      settle_telemetry(early);
    } else {
      shaped_.push_back(early);
    }
  }
  if (shaped_.empty()) return;
  const auto first = std::min_element(shaped_.begin(), shaped_.end(),
                                      [](const auto& a, const auto& b) { return a.due < b.due; });
  shaping_timer_ =
      executor().after(std::chrono::ceil<milliseconds>(first->due - now), [&shard = shard_, self = self_] {
        AmqpDevice* device = shard.find_device(self);
        if (!device) return;
        AmqpConnection& connection = device->connection_;
        device->shaping_timer_ = {};
        device->settle_due();
        connection.flush();
      });
}

// Faults that a test asked for

// As CONNECT is refused: the credential, or the hub.
bool AmqpDevice::fault_at_attach(amqp::LinkId link) {
  const ActiveFaultsPtr& plan = shard_.faults();
  if (!plan) return false;
  if (const Fault* refusal = plan->take(FaultKind::refuse_connect, identity())) {
    constexpr std::uint8_t kNotAuthorized = 5;
    const bool is_credential = refusal->rule.connack_code == kNotAuthorized;
    const Error error(is_credential ? Errc::unauthorized : Errc::busy, "fault " + refusal->rule.id);
    shard_.observer().on_refused(facts(), error);
    connection_.refuse(link, condition_of(error));
    return true;
  }
  const Fault* drop = plan->take_drop(FaultMoment::connect, identity());
  if (drop) end_by(*drop);
  return drop != nullptr;
}

bool AmqpDevice::fault_at_transfer() {
  const ActiveFaultsPtr& plan = shard_.faults();
  const Fault* drop = plan ? plan->take_drop(FaultMoment::publish, identity()) : nullptr;
  if (drop) end_by(*drop);
  return drop != nullptr;
}

// The connection is what a network takes away, with all the devices on it.
void AmqpDevice::end_by(const Fault& fault) {
  connection_.end({"amqp:connection:forced", "fault " + fault.rule.id, {}});
}

void AmqpDevice::on_faults_changed(const std::vector<FaultPtr>& began) {
  const ActiveFaultsPtr& plan = shard_.faults();
  if (!held_.empty() && !(plan && plan->holds_pubacks(identity()))) {
    for (const Unsettled& held : std::exchange(held_, {})) {
      connection_.engine().settle(held.link, held.delivery, {});
    }
  }
  for (const FaultPtr& fault : began) {
    const FaultRule& rule = fault->rule;
    if (state_ != State::attached || rule.kind != FaultKind::drop || rule.moment != FaultMoment::now)
      continue;
    if (rule.scope.matches(identity()) && fault->take()) return end_by(*fault);
  }
}

// Cloud-to-device messages

// Every message that came counts, also one that finds no link any more.
void AmqpDevice::allow_c2d(std::uint32_t more, Reply<void> drained) {
  const std::uint64_t lent_max = lent_ + more;
  if (lent_max == lent_max_ && !drained) return;
  lent_max_ = lent_max;
  shard_.services().router.send(AllowC2d{identity(), epoch_, lent_max, std::move(drained)});
}

void AmqpDevice::settle_c2d(std::uint64_t sequence, std::uint64_t lend, C2dSettlement settlement,
                            Reply<void> reply) {
  shard_.services().router.send(SettleC2d{identity(), epoch_, sequence, settlement, std::move(reply), lend});
}

void AmqpDevice::deliver(LendC2d& lent) {
  ++lent_;
  if (AmqpDeviceLink* link = find_receiver(AmqpNode::device_c2d)) link->lend(std::move(lent));
}

void AmqpDevice::deliver(const WithdrawC2d& withdraw) {
  if (AmqpDeviceLink* link = find_receiver(AmqpNode::device_c2d)) link->withdraw(withdraw.sequence);
}

// Twins

bool AmqpDevice::begin_twin_request() {
  if (twin_requests_ >= limits::kDeviceRequestsMax) return false;
  ++twin_requests_;
  return true;
}

bool AmqpDevice::wants_desired() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const AmqpDeviceLink* link) { return link->wants_desired(); });
}

void AmqpDevice::deliver(const NotifyDesired& notify) {
  const std::vector<AmqpDeviceLink*> links = links_;  // one may lose its link by it
  for (AmqpDeviceLink* link : links) link->notify(notify);
}

// Methods

// The owner may have sent it to a receiver that another took the place of while both were let in: it is not
// sent again.
void AmqpDevice::deliver(CallMethod& call) {
  if (AmqpDeviceLink* link = find_receiver(AmqpNode::device_methods)) return link->call(call);
  if (!is_opening_receiver(AmqpNode::device_methods)) return;
  if (early_calls_.size() >= limits::kMethodCallsMax) early_calls_.erase(early_calls_.begin());
  early_calls_.push_back(std::move(call));
}

// Nobody tells when a call is given up: one that so many followed has had its time.
void AmqpDevice::remember_call(std::string correlation_id, std::string request_id) {
  if (calls_.size() >= limits::kMethodCallsMax) calls_.pop_front();
  calls_.push_back({std::move(correlation_id), std::move(request_id)});
}

void AmqpDevice::answer_method(const std::string& correlation_id, std::int32_t status, std::string body) {
  const auto call = std::find_if(calls_.begin(), calls_.end(), [&correlation_id](const Call& known) {
    return known.correlation_id == correlation_id;
  });
  if (call == calls_.end()) return;
  AnswerMethod answer{identity(), epoch_, std::move(call->request_id), status, std::move(body)};
  calls_.erase(call);
  shard_.services().router.send(std::move(answer));
}

}  // namespace kyanite
