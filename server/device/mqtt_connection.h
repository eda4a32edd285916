#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/channel.h"
#include "protocol/base/executor.h"
#include "protocol/mqtt/session.h"
#include "server/device/subscriptions.h"
#include "server/hub/device_messages.h"
#include "server/hub/hub_observer.h"
#include "server/hub/telemetry_ingest.h"

namespace kyanite {

class MqttShard;

// MqttConnection joins one Channel, its MqttSession, the device's owner and the telemetry log.
//
// Life: start -> CONNECT -> Attach at the owner -> CONNACK -> packets -> end(). An end fires the will when it
// is due, tells the owner, and closes the channel; the table lets go of the connection when the channel has
// closed. Owner: its shard's ConnectionTable; others name it by ConnectionRef. Calls on its shard only.
// Bound: one packet being received, the session's window of unacknowledged publishes, the channel's output
// (reading stops at limits::kOutputHighBytes, the connection ends past kOutputHardBytes), five subscriptions,
// a will.
class MqttConnection final : public Channel::Sink {
 public:
  MqttConnection(MqttShard& shard, ConnectionRef self, std::unique_ptr<Channel> channel);
  ~MqttConnection() override;

  void start();

  void on_attach_reply(Result<Attachment> verdict);
  void on_message(const ConnectionMessage& message);  // from the owner
  void on_committed(mqtt::AckSequence sequence);      // a publish is durable
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

  void handle_events();
  void handle(mqtt::ConnectReceived& connect);
  void handle(const mqtt::UnsupportedProtocol& unsupported);
  void handle(const mqtt::PublishReceived& publish);
  void handle(const mqtt::PubackReceived& puback);
  void handle(const mqtt::SubscribeReceived& subscribe);
  void handle(const mqtt::UnsubscribeReceived& unsubscribe);
  void handle(const mqtt::PingReceived& ping);
  void handle(const mqtt::DisconnectReceived& disconnect);

  Result<void> read_user_name(const mqtt::ConnectReceived& connect);
  bool keep_will(mqtt::WillMessage will);  // false: it can never fire
  void refuse(mqtt::ConnectCode code, const Error& error);
  void publish_telemetry(std::string_view bag, const mqtt::PublishReceived& publish);
  void answer_twin_request(std::string_view request_id);
  void note_activity();
  bool fires_will(EndReason reason) const;
  void fire_will();
  void send_output();  // what the handlers put into the shard's scratch buffer

  void arm_timer();
  void on_timer();
  std::optional<WallTime> cut_time(std::optional<WallTime> credential_expiry) const;
  ConnectionFacts facts() const;
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
  Epoch epoch_{};
  AuthScope scope_ = AuthScope::device;
  AuthKind kind_ = AuthKind::sas;
  bool attached_ = false;  // the owner counts this connection as the identity's
  bool ended_ = false;
  bool reading_paused_ = false;
  milliseconds keep_alive_{};
  SteadyTime started_;
  SteadyTime last_received_;
  SteadyTime last_active_;  // when the owner was last told of activity
  std::optional<WallTime> cut_at_;
  TimerId timer_;
};

}  // namespace kyanite
