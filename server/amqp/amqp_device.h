#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/amqp/engine.h"
#include "server/amqp/amqp_address.h"
#include "server/amqp/amqp_connection.h"
#include "server/amqp/claims.h"
#include "server/hub/device_messages.h"
#include "server/hub/hub_observer.h"
#include "server/hub/telemetry_requests.h"

namespace kyanite {

class AmqpDeviceLink;

// AmqpDevice is one device or module on an AMQP connection, which may carry many: to the device's owner it is
// what an MqttConnection is, with a ConnectionRef of its own. It attaches at the owner with its first link,
// answers the attaches of its links when the verdict is there, subscribes to what they ask for, and is
// detached when the last one ends (spec amqp.md 7).
//
// A receiver is let in when the owner has its subscription, so that what a back end does next finds it
// listening. Subscriptions are the links': none is stored, and none of an MQTT session is touched.
//
// Owner: its AmqpConnection; its slot is in the shard's device table, by which messages of the owner find it.
// Bound: kOpeningsMax links that wait to be let in; telemetry as much as the links give credit for; as many
// twin requests and method calls as an MQTT connection.
//
// Files: amqp_device.cpp (presence, links), amqp_device_traffic.cpp (what its links share).
class AmqpDevice {
 public:
  static constexpr std::size_t kOpeningsMax = 32;

  AmqpDevice(AmqpConnection& connection, ConnectionRef self, Identity identity);
  ~AmqpDevice();  // tells the owner
  AmqpDevice(const AmqpDevice&) = delete;
  AmqpDevice& operator=(const AmqpDevice&) = delete;

  const Identity& identity() const { return origin_.identity; }
  // Answers the attach, now or when the owner has spoken.
  void open(const amqp::AttachReceived& attach, AmqpNode node, const Claim& claim);

  void on_message(ConnectionMessage message);  // from the owner
  void on_committed(std::uint64_t sequence);   // a telemetry append of this device
  void on_faults_changed(const std::vector<FaultPtr>& began);

  // For its links.
  void on_link_ended(const AmqpDeviceLink& link);
  void note_activity();
  template <class T, class Handler>
  Reply<T> reply(Handler handler);

  // Telemetry: one transfer, settled when its messages are durable and its turn has come. The error is for
  // the sender.
  Result<void> append(const amqp::MessageReceived& transfer, const std::vector<TelemetryItem>& items);
  void refused_telemetry(const Error& error, std::size_t bytes);
  // True when a fault of test control ended the connection in place of taking a transfer.
  bool fault_at_transfer();

  // Cloud-to-device messages: how many more may be lent; `drained` as AllowC2d has it.
  void allow_c2d(std::uint32_t more, Reply<void> drained = {});
  void settle_c2d(std::uint64_t sequence, std::uint64_t lend, C2dSettlement settlement, Reply<void> reply);

  // Twins: false when too many requests are under way.
  bool begin_twin_request();
  void end_twin_request() { --twin_requests_; }
  // The receiver that a sender's answers go to: of the same channel-correlation-id, else of the same session,
  // else the only one; 0 when there is none.
  amqp::LinkId answers_of(const AmqpDeviceLink& requests) const;
  void subscribe(FilterKind kind, Reply<void> reply);
  void unsubscribe(FilterKind kind);
  bool wants_desired() const;

  // Methods: remembers the call; an answer to none is nobody's.
  void remember_call(std::string correlation_id, std::string request_id);
  void answer_method(const std::string& correlation_id, std::int32_t status, std::string body);

 private:
  enum class State : std::uint8_t { fresh, attaching, attached, left };
  struct Opening {
    amqp::AttachReceived attach;
    AmqpNode node = AmqpNode::unknown;
    std::uint64_t claim = 0;
  };
  struct Unsettled {
    std::uint64_t sequence = 0;
    amqp::LinkId link;
    std::uint32_t delivery = 0;
    SteadyTime due;  // the rate of the hub's tier lets it be settled then
  };

  void attach(const amqp::Attach& first, const Claim& claim);
  void on_attach_reply(Result<Attachment> verdict);
  void let_in(Opening opening);
  void on_subscribed(amqp::LinkId id, FilterKind kind, const Result<void>& subscribed);
  void accept(const Opening& opening);
  // An older receiver of the kind on this connection gives way.
  void steal(AmqpNode node, amqp::LinkId by);
  AmqpDeviceLink* find_receiver(AmqpNode node) const;
  bool is_opening_receiver(AmqpNode node) const;
  void end_links(const amqp::Condition& condition);
  void leave(EndReason reason, std::string_view detail);
  void leave_if_unused();
  void leave_as_connection();
  void watch_expiry(std::optional<WallTime> expiry);
  ConnectionFacts facts() const;
  Executor& executor() const;

  void deliver(const CloseConnection& close);
  void deliver(const DeliverC2d&) {}  // of MQTT
  void deliver(LendC2d& lent);
  void deliver(const WithdrawC2d& withdraw);
  void deliver(const NotifyDesired& notify);
  void deliver(CallMethod& call);

  bool throttled_at_attach(amqp::LinkId link);
  Result<milliseconds> reserve_turn(const std::vector<TelemetryItem>& items);
  void settle_telemetry(const Unsettled& unsettled);
  void settle_due();
  bool fault_at_attach(amqp::LinkId link);  // true when it answered the attach, or ended the connection
  void end_by(const Fault& fault);

  AmqpConnection& connection_;
  AmqpShard& shard_;
  const ConnectionRef self_;
  TelemetryOrigin origin_;  // its identity and model id are the claimed ones until it is attached
  std::string client_type_;
  State state_ = State::fresh;
  Epoch epoch_{};
  AuthScope scope_ = AuthScope::device;
  AuthKind kind_ = AuthKind::sas;
  SteadyTime started_;
  SteadyTime last_active_;
  TimerId expiry_timer_{};
  std::vector<Opening> openings_;
  std::vector<AmqpDeviceLink*> links_;

  std::uint64_t last_sequence_ = 0;
  std::deque<Unsettled> unsettled_;  // on their way to the log, in order
  std::vector<Unsettled> shaped_;    // durable, and early
  std::vector<Unsettled> held_;      // durable, and held by a fault
  TimerId shaping_timer_{};
  std::uint64_t lent_ = 0;  // messages, since the attach
  std::uint64_t lent_max_ = 0;
  std::size_t twin_requests_ = 0;
  struct Call {
    std::string correlation_id;
    std::string request_id;
  };
  std::deque<Call> calls_;               // that await the device, oldest first
  std::vector<CallMethod> early_calls_;  // for a receiver that is let in soon; kMethodCallsMax at most
};

template <class T, class Handler>
Reply<T> AmqpDevice::reply(Handler handler) {
  return Reply<T>(executor(),
                  [&shard = shard_, self = self_, handler = std::move(handler)](Result<T> result) mutable {
                    AmqpDevice* device = shard.find_device(self);
                    if (!device) return;
                    AmqpConnection& connection = device->connection_;
                    handler(*device, std::move(result));
                    connection.flush();
                  });
}

}  // namespace kyanite
