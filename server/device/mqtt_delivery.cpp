#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/mqtt/encoder.h"
#include "server/device/mqtt_connection.h"
#include "server/device/mqtt_shard.h"
#include "server/device/twin_response.h"

// What the device is sent: messages of its owner, and answers whose turn has come. The owner knows what the
// device is subscribed to and sends nothing else.
namespace kyanite {
namespace {

// The request id needs no encoding, and nothing may follow it (spec device-mqtt.md 7.1). A star parts
// component and command, and SDKs that do not decode the name look for it as it is (service-rest.md 15, 111).
std::string method_topic(std::string_view method, std::string_view request_id) {
  std::string topic = "$iothub/methods/POST/";
  for (std::size_t star = method.find('*'); star != std::string_view::npos; star = method.find('*')) {
    topic += percent_encode(method.substr(0, star)) + '*';
    method.remove_prefix(star + 1);
  }
  topic += percent_encode(method) + "/?$rid=";
  topic += request_id;
  return topic;
}

}  // namespace

void MqttConnection::on_message(ConnectionMessage message) {
  if (ended_) return;
  std::visit([this](auto& m) { deliver(m); }, message);
  if (ended_) return;
  send_output();
  if (channel_->queued_bytes() > limits::kOutputHardBytes) {
    end(EndReason::slow_consumer, "does not read what it is sent");
  } else if (channel_->queued_bytes() > limits::kOutputHighBytes) {
    update_reading();
  }
}

void MqttConnection::deliver(const CloseConnection& close) { end(end_reason_of(close.reason)); }

// Cloud-to-device messages (spec device-mqtt.md 5.3)

void MqttConnection::deliver(const DeliverC2d& c2d) {
  mqtt::SendWindow& window = traffic().c2d;
  if (c2d.qos == 0) {
    std::vector<std::uint64_t>& unsettled = traffic_->c2d_to_settle;
    // Its lock ended while it waits here to be written: at most once.
    if (std::find(unsettled.begin(), unsettled.end(), c2d.sequence) != unsettled.end()) return;
    window.withdraw(c2d.sequence);  // sent with QoS 1 before the device subscribed anew
    mqtt::append_publish(shard_.scratch_, c2d.topic, c2d.body, mqtt::QoS::at_most_once, false, PacketId{});
    if (queued_bytes() <= limits::kOutputHighBytes) return settle(c2d.sequence);
    return unsettled.push_back(c2d.sequence);
  }
  const auto sent = window.add(c2d.sequence);
  if (!sent) return end(EndReason::slow_consumer, "acknowledges nothing");
  mqtt::append_publish(shard_.scratch_, c2d.topic, c2d.body, mqtt::QoS::at_least_once,
                       c2d.was_sent || sent->is_repetition, sent->packet_id);
}

void MqttConnection::deliver(const WithdrawC2d& withdraw) {
  if (!traffic_) return;
  traffic_->c2d.withdraw(withdraw.sequence);
  std::erase(traffic_->c2d_to_settle, withdraw.sequence);
}

void MqttConnection::settle(std::uint64_t sequence) {
  shard_.services_.router.send(SettleC2d{origin_.identity, epoch_, sequence, C2dSettlement::complete});
}

void MqttConnection::settle_drained() {
  for (const std::uint64_t sequence : std::exchange(traffic_->c2d_to_settle, {})) settle(sequence);
}

// Twins and methods: always QoS 0 (spec device-mqtt.md 6.5, 7.1)

void MqttConnection::deliver(const NotifyDesired& notify) {
  mqtt::append_publish(shard_.scratch_, desired_notification_topic(notify.version), notify.body,
                       mqtt::QoS::at_most_once, false, PacketId{});
}

void MqttConnection::deliver(CallMethod& call) {
  mqtt::append_publish(shard_.scratch_, method_topic(call.method, call.request_id), call.body,
                       mqtt::QoS::at_most_once, false, PacketId{});
  std::vector<std::string>& calls = traffic().method_calls;
  // Nobody tells when a call is given up: one that so many followed has had its time.
  if (calls.size() >= limits::kMethodCallsMax) calls.erase(calls.begin());
  calls.push_back(std::move(call.request_id));
}

// Answers whose turn has come, as far as the peer reads; the rest goes when the output has drained.
void MqttConnection::send_answers() {
  const std::size_t queued = channel_->queued_bytes();
  if (queued <= limits::kOutputHighBytes)
    traffic_->answers.take_ready(shard_.scratch_, limits::kOutputHighBytes - queued);
}

DeviceTraffic& MqttConnection::traffic() {
  if (!traffic_) traffic_ = std::make_unique<DeviceTraffic>();
  return *traffic_;
}

}  // namespace kyanite
