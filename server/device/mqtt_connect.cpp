#include <utility>

#include "protocol/auth/username.h"
#include "protocol/base/limits.h"
#include "protocol/topics/device_topic.h"
#include "server/device/mqtt_connection.h"
#include "server/device/mqtt_shard.h"

// CONNECT, in the order of checks of spec device-mqtt.md 2.7.
namespace kyanite {
namespace {

// Spec device-mqtt.md 2.7, 2.8; 4 is never sent.
mqtt::ConnectCode refusal_code(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
    case Errc::device_not_found:
    case Errc::module_not_found:
    case Errc::argument_invalid:
      return mqtt::ConnectCode::not_authorized;
    default:
      return mqtt::ConnectCode::server_unavailable;
  }
}

}  // namespace

void MqttConnection::handle(const mqtt::UnsupportedProtocol&) {
  refuse(mqtt::ConnectCode::bad_protocol_version, Error(Errc::protocol_violation, "not MQTT 3.1.1"));
}

void MqttConnection::handle(mqtt::ConnectReceived& connect) {
  if (connect.client_id.empty()) {
    return refuse(mqtt::ConnectCode::identifier_rejected, Error(Errc::argument_invalid, "empty ClientId"));
  }
  if (const Result<void> read = read_user_name(connect); !read) {
    // What it claims to be goes into the record of the refusal (spec device-mqtt.md 10.1).
    if (origin_.identity.device.empty())
      origin_.identity.device = connect.client_id.substr(0, limits::kIdBytesMax);
    return refuse(mqtt::ConnectCode::not_authorized, read.error());
  }
  if (shard_.faults_ && fault_at_connect()) return;
  if (connect.will && !keep_will(std::move(*connect.will))) {
    if (shard_.services_.settings.mqtt.strict_will) {
      return refuse(mqtt::ConnectCode::not_authorized,
                    Error(Errc::unauthorized, "will topic not the device's own"));
    }
  }
  if (const Result<void> admitted = admit_connect(); !admitted) {
    return refuse(refusal_code(admitted.error()), admitted.error());
  }
  keep_alive_ =
      mqtt::server_keep_alive(connect.keep_alive_seconds, shard_.services_.settings.mqtt.keep_alive_cap);

  Attach attach;
  attach.connection = self_;
  attach.identity = origin_.identity;
  if (connect.password && !connect.password->empty())
    attach.credentials.sas_token = std::move(*connect.password);
  attach.credentials.certificate_chain = channel_->peer().certificate_chain;
  // What it claims to be until the verdict.
  scope_ = origin_.identity.is_module() ? AuthScope::module : AuthScope::device;
  kind_ = attach.credentials.sas_token || attach.credentials.certificate_chain.empty() ? AuthKind::sas
                                                                                       : AuthKind::x509;
  attach.client_type = client_type_;
  attach.model_id = origin_.model_id;
  attach.clean_session = connect.clean_session;
  // By reference, never by pointer: the connection may be gone when the owner answers.
  attach.reply = Reply<Attachment>(
      executor(), [&shard = shard_, self = self_, identity = origin_.identity](Result<Attachment> verdict) {
        shard.on_attach_reply(self, identity, std::move(verdict));
      });
  channel_->release_certificates();
  shard_.services_.router.send(std::move(attach));
}

Result<void> MqttConnection::read_user_name(const mqtt::ConnectReceived& connect) {
  if (!connect.username) return Error(Errc::unauthorized, "no user name");
  Result<MqttUsername> user = parse_mqtt_username(*connect.username, connect.client_id);
  if (!user) return user.error();
  origin_.identity = std::move(user->identity);
  origin_.model_id = std::move(user->model_id);
  client_type_ = std::move(user->client_type);
  const HubSecurity& security = *shard_.security_;
  if (security.rules.strict_host && !is_accepted_host(user->host, security.host_names)) {
    return Error(Errc::unauthorized, "host " + user->host + " is not one of the hub's names");
  }
  return {};
}

// A will for a topic that is not the device's own is accepted and never fires (spec device-mqtt.md 2.9).
bool MqttConnection::keep_will(mqtt::WillMessage will) {
  will_ = std::make_unique<mqtt::WillMessage>(std::move(will));
  const Result<DeviceTopic> topic = parse_device_topic(will_->topic, origin_.identity);
  if (topic && std::holds_alternative<TelemetryTopic>(*topic))
    will_bag_ = std::get<TelemetryTopic>(*topic).bag;
  return will_bag_.has_value();
}

void MqttConnection::refuse(mqtt::ConnectCode code, const Error& error) {
  session_.refuse(shard_.scratch_, code);
  ++shard_.statistics_.refused[static_cast<std::size_t>(code)];
  shard_.observer_.on_refused(facts_of_connect(), error);
  send_output();
  end(EndReason::refused);
}

void MqttConnection::on_attach_reply(Result<Attachment> verdict) {
  if (!verdict) {
    refuse(refusal_code(verdict.error()), verdict.error());
    return;
  }
  attached_ = true;
  epoch_ = verdict->epoch;
  scope_ = verdict->scope;
  kind_ = verdict->kind;
  origin_ = shard_.ingest_.make_origin(origin_.identity, *verdict, std::move(origin_.model_id));
  cut_at_ = cut_time(verdict->credential_expiry);
  ++shard_.statistics_.accepted;
  ++shard_.statistics_.connected;
  shard_.observer_.on_connected(facts_of_connect());
  started_ = last_received_ = last_active_ = executor().now();
  // Told only now: a peer that proved nothing has no say in what is logged.
  if (will_ && !will_bag_) {
    shard_.observer_.on_will_unusable(facts(), will_->topic);
    will_.reset();
  }
  subscriptions_.restore(verdict->filters);
  session_.accept(shard_.scratch_, verdict->session_present);
  executor().cancel(timer_);
  arm_timer();
  handle_events();
}

}  // namespace kyanite
