#include "tests/sim/sim_client.h"

#include <algorithm>

#include "protocol/auth/sas_token.h"
#include "protocol/mqtt/encoder.h"

namespace kyanite::sim {
namespace {

constexpr std::string_view kTwinResponse = "$iothub/twin/res/";
constexpr std::string_view kDesired = "$iothub/twin/PATCH/properties/desired/";
constexpr std::string_view kMethod = "$iothub/methods/POST/";

}  // namespace

std::string SimClient::events_topic() const {
  return "devices/" + identity_.device + (identity_.is_module() ? "/modules/" + identity_.module : "") +
         "/messages/events/";
}

std::uint16_t SimClient::new_packet_id() {
  last_packet_id_ = last_packet_id_ == 65535 ? 1 : static_cast<std::uint16_t>(last_packet_id_ + 1);
  return last_packet_id_;
}

void SimClient::send(const std::string& bytes) {
  if (!link_) return;
  if (random_.chance(10)) {
    link_->send_in_pieces(bytes, 1 + random_.below(bytes.size()));
  } else {
    link_->send(bytes);
  }
}

void SimClient::connect(test::SimHub& hub, bool clean_session, Manners manners, bool with_will) {
  if (link_) cut();
  forget();
  const auto& identities = hub.stores.committed().identities;
  const auto record = identities.find(identity_);
  const std::string key =
      record == identities.end() ? "c2VjcmV0LW9mLW5vLW9uZQ==" : record->second.primary_key;
  const auto now = std::chrono::duration_cast<seconds>(hub.loop.wall_now().time_since_epoch()).count();
  std::string resource = test::SimHub::host() + "/devices/" + identity_.device;
  if (identity_.is_module()) resource += "/modules/" + identity_.module;
  const std::string password = make_sas_token(resource, key, now + random_.between(60, 3600));
  const std::string username = test::SimHub::host() + "/" + name() + "/?api-version=2021-04-12";

  hub_ = &hub;
  const auto shard = static_cast<std::uint16_t>(random_.below(hub.shard_count()));
  link_ = std::make_unique<test::SimLink>(hub.executor(shard));
  connection_ = checkers_.new_number();
  // What the hub writes is judged until its end of the link is gone, also when nobody reads it any more.
  link_->on_hub_write([this, connection = connection_, reader = std::make_shared<PacketReader>()](
                          std::string_view bytes) { watch(*reader, connection, bytes); });
  manners_ = manners;
  std::string will_body;
  std::optional<mqtt::Will> will;
  const std::string topic = events_topic();
  if (with_will) {
    will_ = checkers_.new_number();
    checkers_.telemetry.will_set(will_, identity_);
    will_body = "w" + std::to_string(will_);
    will = mqtt::Will{topic, will_body, mqtt::QoS::at_least_once, false};
  }
  checkers_.judge.tell(name() + " connect #" + std::to_string(connection_) + (clean_session ? " clean" : ""));
  hub.mqtt(shard).accept(link_->take_channel());
  std::string bytes;
  mqtt::append_connect(bytes, {name(), username, password, 120, clean_session, will});
  send(bytes);
}

void SimClient::publish(int qos, bool duplicate_id) {
  if (!connected_) return;
  const std::uint64_t number = checkers_.new_number();
  const std::uint16_t id =
      duplicate_id && !unacknowledged_.empty() ? unacknowledged_.back().first : new_packet_id();
  checkers_.judge.tell(name() + " publish t" + std::to_string(number) + " q" + std::to_string(qos));
  checkers_.telemetry.sent(number, identity_, connection_);
  if (qos == 1) unacknowledged_.emplace_back(id, number);
  std::string bytes;
  mqtt::append_client_publish(bytes, events_topic(), "t" + std::to_string(number),
                              static_cast<mqtt::QoS>(qos), false, false, PacketId{id});
  send(bytes);
}

void SimClient::subscribe(const std::string& filter, int qos) {
  if (!connected_) return;
  const std::uint16_t id = new_packet_id();
  subscribing_[id] = {filter, true};
  checkers_.judge.tell(name() + " subscribe " + filter);
  if (filter == c2d_filter()) checkers_.c2d.subscribed(identity_.device);
  const mqtt::TopicRequest request{filter, static_cast<mqtt::QoS>(qos)};
  std::string bytes;
  mqtt::append_subscribe(bytes, PacketId{id}, {&request, 1});
  send(bytes);
}

void SimClient::unsubscribe(const std::string& filter) {
  if (!connected_) return;
  const std::uint16_t id = new_packet_id();
  subscribing_[id] = {filter, false};
  checkers_.judge.tell(name() + " unsubscribe " + filter);
  const std::string_view view = filter;
  std::string bytes;
  mqtt::append_unsubscribe(bytes, PacketId{id}, {&view, 1});
  send(bytes);
}

void SimClient::get_twin(const MemoryState& state) {
  if (!connected_) return;
  const std::string rid = "g" + std::to_string(checkers_.new_number());
  gets_[rid] = checkers_.twins.generation_of(identity_, state);
  const std::string topic = "$iothub/twin/GET/?$rid=" + rid;
  std::string bytes;
  mqtt::append_client_publish(bytes, topic, "", mqtt::QoS::at_most_once, false, false, {});
  checkers_.judge.tell(name() + " get twin");
  send(bytes);
}

void SimClient::patch_twin(const MemoryState& state, const std::string& key, bool removes) {
  if (!connected_) return;
  const std::uint64_t number = checkers_.new_number();
  const std::string rid = "p" + std::to_string(number);
  patches_[rid] = number;
  checkers_.twins.sent({number, identity_, Section::reported, key, removes}, state);
  checkers_.judge.tell(name() + " patch reported." + key + " " + rid + (removes ? " null" : ""));
  Json body;
  body[key] = removes ? Json(nullptr) : Json(number);
  std::string bytes;
  mqtt::append_client_publish(bytes, "$iothub/twin/PATCH/properties/reported/?$rid=" + rid, dump_json(body),
                              mqtt::QoS::at_most_once, false, false, {});
  send(bytes);
}

void SimClient::answer_method(const std::string& rid, std::uint64_t number, const std::string& body) {
  const auto status = static_cast<std::int32_t>(200 + random_.below(3));
  checkers_.methods.answered(number, status, body);
  const bool reliable = random_.chance(50);
  std::string bytes;
  mqtt::append_client_publish(bytes, "$iothub/methods/res/" + std::to_string(status) + "/?$rid=" + rid, body,
                              static_cast<mqtt::QoS>(reliable ? 1 : 0), false, false,
                              PacketId{reliable ? new_packet_id() : std::uint16_t{0}});
  send(bytes);
}

void SimClient::send_late_answers() {
  for (const auto& [rid, number] : std::exchange(late_answers_, {})) {
    if (connected_) answer_method(rid, number, "{\"n\":" + std::to_string(number) + "}");
  }
}

void SimClient::puback(std::uint16_t packet_id, std::uint64_t number) {
  checkers_.judge.tell(name() + " acknowledges c" + std::to_string(number));
  checkers_.c2d.acknowledged_by_device(number);
  std::string bytes;
  mqtt::append_puback(bytes, PacketId{packet_id});
  send(bytes);
}

void SimClient::acknowledge_late() {
  for (const auto& [packet_id, number] : std::exchange(late_pubacks_, {})) {
    if (connected_) puback(packet_id, number);
  }
}

void SimClient::acknowledge_stranger() {
  if (!connected_) return;
  std::string bytes;
  // Far from the ids the hub gives in a run.
  mqtt::append_puback(bytes, PacketId{static_cast<std::uint16_t>(40'000 + random_.below(20'000))});
  send(bytes);
}

void SimClient::ping() {
  std::string bytes;
  mqtt::append_pingreq(bytes);
  if (connected_) send(bytes);
}

void SimClient::disconnect() {
  if (!connected_) return;
  checkers_.judge.tell(name() + " disconnect #" + std::to_string(connection_));
  std::string bytes;
  mqtt::append_disconnect(bytes);
  // It reaches the hub only if the link holds; whatever was before it went the same way.
  send(bytes);
  connected_ = false;
}

void SimClient::cut() {
  if (!link_) return;
  checkers_.judge.tell(name() + " cut #" + std::to_string(connection_));
  link_->drop();
  forget();
}

void SimClient::stall() {
  if (!link_) return;
  stalled_ = true;
  link_->stall();
}

void SimClient::unstall() {
  if (!link_) return;
  stalled_ = false;
  link_->unstall();
}

void SimClient::forget() {
  link_.reset();
  connected_ = false;
  stalled_ = false;
  will_ = 0;
  reader_ = {};
  unacknowledged_.clear();
  subscribing_.clear();
  patches_.clear();
  gets_.clear();
  late_answers_.clear();
  late_pubacks_.clear();
}

void SimClient::watch(PacketReader& reader, std::uint64_t connection, std::string_view bytes) {
  const MemoryState& state = hub_->stores.committed();
  for (const ServerPacket& packet : reader.take(bytes)) {
    if (packet.type != ServerPacket::Type::publish) continue;
    if (packet.topic.starts_with("devices/")) {
      const auto way = packet.qos == 0 ? C2dChecker::Way::qos0 : C2dChecker::Way::qos1;
      checkers_.c2d.written(packet.payload, identity_, connection, way, hub_->loop.now());
    } else if (packet.topic.starts_with(kMethod)) {
      checkers_.methods.written(packet.payload, identity_);
    } else if (packet.topic.starts_with(kDesired)) {
      const auto body = parse_json(packet.payload);
      checkers_.judge.require(body.has_value(), "a notification is JSON");
      if (body) checkers_.twins.notified(identity_, connection, *body, state);
    }
  }
}

void SimClient::read(const MemoryState& state) {
  if (!link_) return;
  for (const ServerPacket& packet : reader_.take(link_->take_received())) react(packet, state);
  if (link_ && link_->is_closed()) {
    checkers_.judge.tell(name() + " sees the end of #" + std::to_string(connection_));
    forget();
  }
}

void SimClient::react(const ServerPacket& packet, const MemoryState& state) {
  switch (packet.type) {
    case ServerPacket::Type::connack:
      checkers_.judge.tell(name() + " connack " + std::to_string(packet.code));
      connected_ = packet.code == 0;
      return;
    case ServerPacket::Type::puback: {
      const auto known = std::find_if(unacknowledged_.begin(), unacknowledged_.end(),
                                      [&](const auto& entry) { return entry.first == packet.packet_id; });
      if (known == unacknowledged_.end()) return;  // of a method's answer
      checkers_.judge.require(known == unacknowledged_.begin(), name() + " gets acknowledgements in order");
      checkers_.telemetry.acknowledged(known->second);
      unacknowledged_.erase(known);
      return;
    }
    case ServerPacket::Type::suback:
    case ServerPacket::Type::unsuback: {
      const auto known = subscribing_.find(packet.packet_id);
      checkers_.judge.require(known != subscribing_.end(), name() + " gets answers to its own requests");
      if (known == subscribing_.end()) return;
      if (known->second.filter.starts_with(kDesired) && !known->second.adds) {
        checkers_.twins.unsubscribed(connection_);
      }
      subscribing_.erase(known);
      return;
    }
    case ServerPacket::Type::publish:
      return on_publish(packet, state);
    case ServerPacket::Type::pingresp:
      return;
  }
}

void SimClient::on_publish(const ServerPacket& packet, const MemoryState& state) {
  if (packet.topic.starts_with(kTwinResponse)) return on_twin_response(packet, state);
  if (packet.topic.starts_with(kMethod)) return on_method(packet);
  if (!packet.topic.starts_with("devices/") || packet.qos == 0) return;
  const std::uint64_t number = number_of(packet.payload, 'c');
  checkers_.judge.tell(name() + " gets c" + std::to_string(number) + (packet.dup ? " again" : ""));
  if (manners_.pubacks == Manners::Puback::prompt) puback(packet.packet_id, number);
  if (manners_.pubacks == Manners::Puback::late) late_pubacks_.emplace_back(packet.packet_id, number);
}

void SimClient::on_twin_response(const ServerPacket& packet, const MemoryState& state) {
  const std::string rid = topic_value(packet.topic, "$rid");
  const std::string status = packet.topic.substr(kTwinResponse.size(), 3);
  const auto patch = patches_.find(rid);
  if (patch != patches_.end()) {
    checkers_.judge.tell(name() + " patch " + rid + " answered " + status);
    if (status == "204") {
      checkers_.twins.accepted(patch->second, std::stoull("0" + topic_value(packet.topic, "$version")),
                               state);
    } else {
      checkers_.twins.refused(patch->second);
    }
    patches_.erase(patch);
    return;
  }
  const auto get = gets_.find(rid);
  checkers_.judge.require(get != gets_.end(),
                          name() + " gets one response for each request: " + packet.topic);
  if (get == gets_.end()) return;
  const std::string generation = get->second;
  gets_.erase(get);
  if (status != "200") return;
  const auto body = parse_json(packet.payload);
  checkers_.judge.require(body && body->contains("desired") && body->contains("reported"), "a twin is whole");
  if (!body || checkers_.judge.failed()) return;
  const auto version = [&](const char* section) {
    return (*body)[section].value("$version", std::uint64_t{0});
  };
  checkers_.twins.read(identity_, generation, Section::reported, version("reported"), state);
  checkers_.twins.read(identity_, generation, Section::desired, version("desired"), state);
}

void SimClient::on_method(const ServerPacket& packet) {
  const std::string rid = topic_value(packet.topic, "$rid");
  const std::uint64_t number = number_of("m" + packet.payload, 'm');
  const std::string body = "{\"n\":" + std::to_string(number) + "}";
  checkers_.judge.tell(name() + " is called " + std::to_string(number));
  switch (manners_.methods) {
    case Manners::Answer::prompt:
      return answer_method(rid, number, body);
    case Manners::Answer::late:
      late_answers_.emplace_back(rid, number);
      return;
    case Manners::Answer::twice:
      answer_method(rid, number, body);
      return answer_method(rid, number, body);
    case Manners::Answer::wrong_id:
      answer_method("ffff-1", number, body);
      return answer_method(rid + "0", number, body);
    case Manners::Answer::never:
      return;
    case Manners::Answer::bad_json:
      return answer_method(rid, number, "{");
    case Manners::Answer::no_body:
      return answer_method(rid, number, "");
  }
}

}  // namespace kyanite::sim
