#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/channel.h"
#include "protocol/base/executor.h"
#include "protocol/mqtt/session.h"
#include "server/device/device_traffic.h"
#include "server/device/subscriptions.h"
#include "server/hub/active_faults.h"
#include "server/hub/device_messages.h"
#include "server/hub/hub_observer.h"
#include "server/hub/telemetry_ingest.h"
#include "server/hub/throttles.h"

namespace kyanite {

class MqttShard;
struct ConnectionFaults;

// MqttConnection joins one Channel, its MqttSession, the device's owner and the telemetry log.
//
// Life: start -> CONNECT -> Attach at the owner -> CONNACK -> packets -> end(). An end fires the will when it
// is due, tells the owner, and closes the channel; the table lets go of the connection when the channel has
// closed. Owner: its shard's ConnectionTable; others name it by ConnectionRef. Calls on its shard only.
//
// Bound: one packet being received, the session's window of unacknowledged publishes, a will, five
// subscriptions; limits::kDeviceRequestsMax requests at the owner, then packets wait and reading stops. Past
// kOutputHighBytes of output they wait too; what the owner sends unasked ends the connection past
// kOutputHardBytes, so that nothing of it is lost in silence.
//
// Files: mqtt_connection.cpp (reading, output, the end), mqtt_connect.cpp, mqtt_requests.cpp (what the device
// sends), mqtt_delivery.cpp (what it is sent), mqtt_time.cpp, mqtt_throttle.cpp, mqtt_faults.cpp.
class MqttConnection final : public Channel::Sink {
 public:
  MqttConnection(MqttShard& shard, ConnectionRef self, std::unique_ptr<Channel> channel);
  ~MqttConnection() override;

  void start();

  void on_attach_reply(Result<Attachment> verdict);
  void on_message(ConnectionMessage message);     // from the owner
  void on_committed(mqtt::AckSequence sequence);  // a publish is durable
  void on_clock_shift();
  void on_faults_changed(const std::vector<FaultPtr>& began);
  // Compares why reading should stop with whether it is stopped.
  void update_reading();
  bool has_ended() const { return ended_; }
  // Ends the connection once; later calls do nothing.
  void end(EndReason reason, std::string_view detail = {});

 private:
  // Channel::Sink
  void on_bytes(std::string_view bytes) override;
  void on_writable() override;
  void on_closed(ChannelEnd how) override;

  // Reading and output
  void handle_events();
  bool must_hold() const;
  void send_output();   // what the handlers put into the shard's scratch buffer
  void after_answer();  // an answer of the owner was put there: sends it, and goes on with what waited
  std::size_t queued_bytes() const;  // with what is in the scratch buffer

  // CONNECT
  void handle(mqtt::ConnectReceived& connect);
  void handle(const mqtt::UnsupportedProtocol& unsupported);
  Result<void> read_user_name(const mqtt::ConnectReceived& connect);
  bool keep_will(mqtt::WillMessage will);  // false: it can never fire
  void refuse(mqtt::ConnectCode code, const Error& error);

  // What the device sends
  void handle(const mqtt::PublishReceived& publish);
  void handle(const mqtt::PubackReceived& puback);
  void handle(const mqtt::SubscribeReceived& subscribe);
  void handle(const mqtt::UnsubscribeReceived& unsubscribe);
  void handle(const mqtt::PingReceived& ping);
  void handle(const mqtt::DisconnectReceived& disconnect);
  void publish_telemetry(std::string_view bag, const mqtt::PublishReceived& publish);
  void get_twin(const TwinGetTopic& topic);
  void patch_reported(const TwinPatchReportedTopic& topic, const mqtt::PublishReceived& publish);
  void answer_method(const MethodResponseTopic& topic, std::string_view body);
  void on_subscribed(PacketId packet_id, const std::vector<std::uint8_t>& granted,
                     const Result<void>& stored);
  void on_unsubscribed(PacketId packet_id, const Result<void>& stored);
  void on_twin(std::uint64_t question, std::string_view request_id, const Result<TwinView>& twin);
  void on_patched(std::uint64_t question, std::string_view request_id, mqtt::AckSequence ack,
                  const Result<std::uint64_t>& version);
  template <class MakeResponse>
  void answer_twin_request(std::uint64_t question, std::string_view request_id, MakeResponse response);
  void acknowledge(mqtt::AckSequence sequence);  // nothing for 0
  // An answer of the owner that finds its way back although the connection may be gone by then.
  template <class T, class Handler>
  Reply<T> reply_to_self(Handler handler);

  // What the device is sent
  void deliver(const CloseConnection& close);
  void deliver(const DeliverC2d& c2d);
  void deliver(const LendC2d&) {}  // of AMQP
  void deliver(const WithdrawC2d& withdraw);
  void deliver(const NotifyDesired& notify);
  void deliver(CallMethod& call);
  void send_answers();
  void settle(std::uint64_t sequence);
  void settle_drained();
  DeviceTraffic& traffic();

  // The service's rates and quota; nothing is refused while they are off
  Result<void> admit_connect();
  Result<void> admit_twin_request(ThrottleClass of, std::size_t bytes);
  bool admit_telemetry(std::size_t bytes);  // false: the connection ended
  void on_turn_to_send();

  // Faults that a test asked for; called while the shard has a plan of them only
  ConnectionFaults& faults();
  void end_by(const Fault& fault);
  std::string_view cut_input(std::string_view bytes);
  std::string_view cut(std::string_view bytes, FaultDirection direction);
  bool cut_output();
  bool fault_at_connect();
  bool fault_at_publish();
  bool fault_at_puback(mqtt::AckSequence sequence);
  void ask_for_faults(std::string_view bag);

  void note_activity();
  bool fires_will(EndReason reason) const;
  void fire_will();

  // Time
  void arm_timer();
  void on_timer();
  std::optional<WallTime> cut_time(std::optional<WallTime> credential_expiry) const;
  ConnectionFacts facts() const;
  ConnectionFacts facts_of_connect() const;  // with how long it took
  Executor& executor() const;

  MqttShard& shard_;
  const ConnectionRef self_;
  std::unique_ptr<Channel> channel_;
  mqtt::MqttSession session_;
  TelemetryOrigin origin_;  // its identity and model id are the claimed ones until CONNECT is accepted
  std::string client_type_;
  std::unique_ptr<mqtt::WillMessage> will_;
  std::optional<std::string_view> will_bag_;  // into will_->topic; nothing when that is not the device's own
  Subscriptions subscriptions_;
  std::unique_ptr<DeviceTraffic> traffic_;    // made when first needed
  std::unique_ptr<ConnectionFaults> faults_;  // the same
  Epoch epoch_{};
  AuthScope scope_ = AuthScope::device;
  AuthKind kind_ = AuthKind::sas;
  bool attached_ = false;  // the owner counts this connection as the identity's
  bool ended_ = false;
  bool heard_ = false;  // anything at all from the peer
  bool reading_paused_ = false;
  bool held_ = false;              // packets may be at hand that were not handled
  std::uint16_t subscribing_ = 0;  // SUBSCRIBE and UNSUBSCRIBE at the owner
  milliseconds keep_alive_{};
  SteadyTime started_;
  SteadyTime last_received_;
  SteadyTime last_active_;  // when the owner was last told of activity
  std::optional<WallTime> cut_at_;
  TimerId timer_;
  TimerId shaping_timer_;  // armed while telemetry over the rate waits its turn
};

}  // namespace kyanite
