#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/mqtt/encoder.h"
#include "protocol/topics/device_topic.h"
#include "protocol/twin/twin_request.h"
#include "server/device/mqtt_connection.h"
#include "server/device/mqtt_shard.h"
#include "server/device/twin_response.h"

// What the device sends once it is connected.
namespace kyanite {
namespace {

constexpr milliseconds kActivityInterval{1'000};

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct ReportedPatch {
  Json patch;
  std::optional<std::uint64_t> expected_version;
};

Result<ReportedPatch> read_patch(std::string_view version, std::string_view body) {
  ReportedPatch read;
  if (!version.empty()) {
    read.expected_version = to_number<std::uint64_t>(version);
    if (!read.expected_version) return Error(Errc::argument_invalid, "$version is not a number");
  }
  Result<Json> patch = parse_reported_patch(body);
  if (!patch) return patch.error();
  read.patch = std::move(*patch);
  return read;
}

std::string packet_of(const TwinResponse& response) {
  std::string packet;
  mqtt::append_publish(packet, response.topic, response.body, mqtt::QoS::at_most_once, false, PacketId{});
  return packet;
}

}  // namespace

template <class T, class Handler>
Reply<T> MqttConnection::reply_to_self(Handler handler) {
  return Reply<T>(executor(),
                  [&shard = shard_, self = self_, handler = std::move(handler)](const Result<T>& result) {
                    MqttConnection* connection = shard.table_.find(self);
                    if (connection && !connection->ended_) handler(*connection, result);
                  });
}

void MqttConnection::handle(const mqtt::PublishReceived& publish) {
  const Result<DeviceTopic> topic = parse_device_topic(publish.topic, origin_.identity);
  if (!topic) return end(EndReason::protocol_violation, "topic not allowed");
  note_activity();
  if (shard_.faults_ && fault_at_publish()) return;
  if (const auto* telemetry = std::get_if<TelemetryTopic>(&*topic))
    return publish_telemetry(telemetry->bag, publish);
  if (const auto* patch = std::get_if<TwinPatchReportedTopic>(&*topic))
    return patch_reported(*patch, publish);
  // These change nothing that is stored: QoS 1 is acknowledged at once, in its place among the others.
  acknowledge(publish.ack);
  if (const auto* get = std::get_if<TwinGetTopic>(&*topic)) return get_twin(*get);
  answer_method(std::get<MethodResponseTopic>(*topic), publish.payload);
}

void MqttConnection::acknowledge(mqtt::AckSequence sequence) {
  if (sequence.value == 0 || (shard_.faults_ && fault_at_puback(sequence))) return;
  session_.acknowledge(shard_.scratch_, sequence);
}

// Drives lastActivityTime; once a second is precise enough for it.
void MqttConnection::note_activity() {
  if (last_received_ - last_active_ < kActivityInterval) return;
  last_active_ = last_received_;
  shard_.services_.router.send(Active{origin_.identity, epoch_, executor().wall_now()});
}

// Telemetry

void MqttConnection::publish_telemetry(std::string_view bag, const mqtt::PublishReceived& publish) {
  if (!admit_telemetry(bag.size() + publish.payload.size())) return;
  const TelemetryMessage message{bag, publish.payload, publish.retain, publish.dup, false};
  const bool wants_ack = publish.ack.value != 0;
  const Result<void> taken = shard_.ingest_.append(origin_, message, {self_, publish.ack.value}, wants_ack);
  if (!taken) {
    shard_.observer_.on_telemetry_refused(facts(), taken.error(), publish.payload.size());
    return end(EndReason::message_too_large, "telemetry message too large");
  }
  ++shard_.statistics_.telemetry_messages;
  shard_.statistics_.telemetry_bytes += publish.payload.size();
  if (shard_.services_.tests) ask_for_faults(bag);
}

void MqttConnection::on_committed(mqtt::AckSequence sequence) {
  if (ended_) return;
  acknowledge(sequence);
  ++shard_.statistics_.telemetry_acknowledged;
  if (held_) return handle_events();  // packets may have waited for room in the window
  send_output();
  if (channel_->queued_bytes() > limits::kOutputHighBytes) update_reading();
}

// Subscriptions. They count from the packet on, so that a request right behind it is answered; the owner
// stores them, and its answer gates SUBACK and UNSUBACK only (spec device-mqtt.md 2.12).

void MqttConnection::handle(const mqtt::SubscribeReceived& subscribe) {
  const Settings::Mqtt& settings = shard_.services_.settings.mqtt;
  Result<std::vector<GrantedFilter>> granted =
      subscriptions_.add(subscribe.requests, origin_.identity, settings.max_subscriptions);
  if (!granted) {
    if (settings.invalid_subscription == InvalidSubscription::close) {
      return end(EndReason::protocol_violation, granted.error().detail);
    }
    const std::vector<std::uint8_t> failures(subscribe.requests.size(), mqtt::kSubackFailure);
    return mqtt::append_suback(shard_.scratch_, subscribe.packet_id, failures);
  }
  std::vector<std::uint8_t> codes;
  codes.reserve(granted->size());
  for (const GrantedFilter& filter : *granted) codes.push_back(filter.qos);
  ++subscribing_;
  shard_.services_.router.send(
      Subscribe{origin_.identity, epoch_, std::move(*granted),
                reply_to_self<void>([packet_id = subscribe.packet_id, codes = std::move(codes)](
                                        MqttConnection& self, const Result<void>& stored) {
                  self.on_subscribed(packet_id, codes, stored);
                })});
}

void MqttConnection::on_subscribed(PacketId packet_id, const std::vector<std::uint8_t>& granted,
                                   const Result<void>& stored) {
  --subscribing_;
  // A return code 0x80 would leave most clients deaf without an error; a new connection tries again.
  if (!stored) return end(EndReason::hub_unavailable, "subscriptions not stored: " + stored.error().detail);
  mqtt::append_suback(shard_.scratch_, packet_id, granted);
  after_answer();
}

void MqttConnection::handle(const mqtt::UnsubscribeReceived& unsubscribe) {
  std::vector<std::string> known;
  for (const std::string_view filter : unsubscribe.filters) {
    if (subscriptions_.remove(filter)) known.emplace_back(filter);
  }
  // Nothing to store; behind others it takes its turn at the owner all the same.
  if (known.empty() && subscribing_ == 0)
    return mqtt::append_unsuback(shard_.scratch_, unsubscribe.packet_id);
  ++subscribing_;
  shard_.services_.router.send(
      Unsubscribe{origin_.identity, epoch_, std::move(known),
                  reply_to_self<void>(
                      [packet_id = unsubscribe.packet_id](MqttConnection& self, const Result<void>& stored) {
                        self.on_unsubscribed(packet_id, stored);
                      })});
}

void MqttConnection::on_unsubscribed(PacketId packet_id, const Result<void>& stored) {
  --subscribing_;
  if (!stored) return end(EndReason::hub_unavailable, "subscriptions not stored: " + stored.error().detail);
  mqtt::append_unsuback(shard_.scratch_, packet_id);
  after_answer();
}

// Twins. Answers leave in the order of the requests, with QoS 0 whatever was granted, and only while the
// device listens (spec device-mqtt.md 6.1, 6.2, 6.4).

void MqttConnection::get_twin(const TwinGetTopic& topic) {
  if (session_.has_peer_left() || !subscriptions_.has(FilterKind::twin_responses)) return;
  const std::uint64_t question = traffic().answers.add();
  if (const Result<void> admitted = admit_twin_request(ThrottleClass::twin_reads, 0); !admitted) {
    return answer_twin_request(question, topic.request_id, [&] {
      return twin_refused_response(topic.request_id, admitted.error(), executor().wall_now());
    });
  }
  shard_.services_.router.send(
      GetTwin{origin_.identity,
              reply_to_self<TwinView>([question, request_id = std::string(topic.request_id)](
                                          MqttConnection& self, const Result<TwinView>& twin) {
                self.on_twin(question, request_id, twin);
              }),
              TwinOrigin::device});
}

void MqttConnection::on_twin(std::uint64_t question, std::string_view request_id,
                             const Result<TwinView>& twin) {
  answer_twin_request(question, request_id, [&] {
    if (!twin) return twin_refused_response(request_id, twin.error(), executor().wall_now());
    TwinResponse response = twin_read_response(request_id, twin->twin);
    shard_.services_.throttles.meter(response.body.size(), executor().wall_now());
    return response;
  });
  after_answer();
}

// QoS 1 is acknowledged when the patch is stored or refused: without a request id nothing else tells.
void MqttConnection::patch_reported(const TwinPatchReportedTopic& topic,
                                    const mqtt::PublishReceived& publish) {
  const std::uint64_t question = traffic().answers.add();
  const Result<void> admitted = admit_twin_request(ThrottleClass::twin_updates, publish.payload.size());
  Result<ReportedPatch> read =
      admitted ? read_patch(topic.version, publish.payload) : Result<ReportedPatch>(admitted.error());
  if (!read) {
    acknowledge(publish.ack);
    return answer_twin_request(question, topic.request_id, [&] {
      return twin_refused_response(topic.request_id, read.error(), executor().wall_now());
    });
  }
  shard_.services_.router.send(PatchReported{
      origin_.identity, std::move(read->patch), read->expected_version,
      reply_to_self<std::uint64_t>([question, request_id = std::string(topic.request_id), ack = publish.ack](
                                       MqttConnection& self, const Result<std::uint64_t>& version) {
        self.on_patched(question, request_id, ack, version);
      })});
}

void MqttConnection::on_patched(std::uint64_t question, std::string_view request_id, mqtt::AckSequence ack,
                                const Result<std::uint64_t>& version) {
  acknowledge(ack);
  answer_twin_request(question, request_id, [&] {
    return version ? reported_accepted_response(request_id, *version)
                   : twin_refused_response(request_id, version.error(), executor().wall_now());
  });
  after_answer();
}

template <class MakeResponse>
void MqttConnection::answer_twin_request(std::uint64_t question, std::string_view request_id,
                                         MakeResponse response) {
  const bool is_heard = !request_id.empty() && subscriptions_.has(FilterKind::twin_responses);
  traffic_->answers.answer(question, is_heard ? packet_of(response()) : std::string());
  send_answers();
}

// Direct methods. Only what was asked goes to the owner, so that a device cannot flood it.

void MqttConnection::answer_method(const MethodResponseTopic& topic, std::string_view body) {
  if (!traffic_) return;
  std::vector<std::string>& calls = traffic_->method_calls;
  const auto call = std::find(calls.begin(), calls.end(), topic.request_id);
  if (call == calls.end()) return;
  AnswerMethod answer{origin_.identity, epoch_, std::move(*call), 0, {}};
  calls.erase(call);
  answer.status = to_number<std::int32_t>(topic.status).value();
  // One byte more than allowed tells the owner that it is too large.
  answer.body = body.substr(0, limits::kMethodPayloadBytesMax + 1);
  shard_.services_.router.send(std::move(answer));
}

// The other packets

void MqttConnection::handle(const mqtt::PubackReceived& puback) {
  note_activity();
  if (!traffic_) return;
  // A late or wrong one harms nobody (spec device-mqtt.md 5.3).
  if (const auto sequence = traffic_->c2d.acknowledge(puback.packet_id)) settle(*sequence);
}

void MqttConnection::handle(const mqtt::PingReceived&) { mqtt::append_pingresp(shard_.scratch_); }

void MqttConnection::handle(const mqtt::DisconnectReceived&) {
  send_output();
  end(EndReason::device_disconnected);
}

}  // namespace kyanite
