#include "tests/support/sim_device.h"

#include <utility>

namespace kyanite::test {
namespace {

std::size_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }
std::size_t word_at(std::string_view bytes, std::size_t i) {
  return byte_at(bytes, i) << 8 | byte_at(bytes, i + 1);
}

std::string describe(std::size_t first, std::string_view body) {
  switch (first >> 4) {
    case 2:
      return "CONNACK " + std::to_string(byte_at(body, 1)) + (byte_at(body, 0) == 1 ? " present" : "");
    case 3: {
      const std::size_t topic_size = word_at(body, 0);
      const bool has_id = (first >> 1 & 3) != 0;
      std::string text = "PUBLISH q" + std::to_string(first >> 1 & 3) + " ";
      if (has_id) text += "id=" + std::to_string(word_at(body, 2 + topic_size)) + " ";
      if ((first & 8) != 0) text += "dup ";
      if ((first & 1) != 0) text += "retain ";
      text += body.substr(2, topic_size);
      text += " ";
      text += body.substr(2 + topic_size + (has_id ? 2 : 0));
      return text;
    }
    case 4:
      return "PUBACK " + std::to_string(word_at(body, 0));
    case 9: {
      std::string text = "SUBACK " + std::to_string(word_at(body, 0)) + " [";
      for (std::size_t i = 2; i < body.size(); ++i)
        text += (i > 2 ? " " : "") + std::to_string(byte_at(body, i));
      return text + "]";
    }
    case 11:
      return "UNSUBACK " + std::to_string(word_at(body, 0));
    case 13:
      return "PINGRESP";
    default:
      return "TYPE " + std::to_string(first >> 4);
  }
}

}  // namespace

std::vector<std::string> describe_packets(std::string_view bytes) {
  std::vector<std::string> packets;
  while (!bytes.empty()) {
    std::size_t size = 0;
    std::size_t used = 1;
    bool complete = false;
    for (int shift = 0; used < bytes.size() && shift < 28; shift += 7) {
      const std::size_t byte = byte_at(bytes, used++);
      size |= (byte & 127) << shift;
      if (byte < 128) {
        complete = true;
        break;
      }
    }
    if (!complete || bytes.size() < used + size) {
      packets.emplace_back("GARBAGE");
      break;
    }
    packets.push_back(describe(byte_at(bytes, 0), bytes.substr(used, size)));
    bytes.remove_prefix(used + size);
  }
  return packets;
}

SimDevice::SimDevice(SimHub& hub, IdentityRecord identity, std::uint16_t shard, PeerInfo peer)
    : hub_(hub), identity_(std::move(identity)), link_(hub.executor(shard), std::move(peer)) {
  hub.mqtt(shard).accept(link_.take_channel());
}

std::string SimDevice::name() const {
  return identity_.id.is_module() ? identity_.id.device + "/" + identity_.id.module : identity_.id.device;
}

std::string SimDevice::events_topic(std::string_view bag) const {
  std::string topic = "devices/" + identity_.id.device;
  if (identity_.id.is_module()) topic += "/modules/" + identity_.id.module;
  topic += "/messages/events/";
  topic += bag;
  return topic;
}

std::string SimDevice::connect_bytes(ConnectOptions options) const {
  if (options.client_id.empty()) options.client_id = name();
  if (options.username.empty()) options.username = SimHub::host() + "/" + name() + "/?api-version=2021-04-12";
  if (options.password.empty() && identity_.auth_type == AuthenticationType::sas &&
      !identity_.primary_key.empty()) {
    options.password = hub_.token_of(identity_);
  }
  std::string bytes;
  mqtt::append_connect(bytes, {options.client_id, options.username, options.password,
                               options.keep_alive_seconds, options.clean_session, options.will});
  return bytes;
}

std::vector<std::string> SimDevice::connect(ConnectOptions options) {
  return send(connect_bytes(std::move(options)));
}

std::vector<std::string> SimDevice::try_connect(SimHub& hub, const IdentityRecord& identity,
                                                ConnectOptions options) {
  SimDevice client(hub, identity);
  std::vector<std::string> answer = client.connect(std::move(options));
  client.drop();
  return answer;
}

std::vector<std::string> SimDevice::publish(std::string_view topic, std::string_view payload, mqtt::QoS qos,
                                            PacketId id, bool retain, bool dup) {
  std::string bytes;
  mqtt::append_client_publish(bytes, topic, payload, qos, retain, dup, id);
  return send(bytes);
}

std::vector<std::string> SimDevice::telemetry(std::string_view bag, std::string_view payload,
                                              std::uint16_t packet_id) {
  return publish(events_topic(bag), payload, mqtt::QoS::at_least_once, PacketId{packet_id});
}

std::vector<std::string> SimDevice::subscribe(std::vector<mqtt::TopicRequest> requests,
                                              std::uint16_t packet_id) {
  std::string bytes;
  mqtt::append_subscribe(bytes, PacketId{packet_id}, requests);
  return send(bytes);
}

std::vector<std::string> SimDevice::unsubscribe(std::vector<std::string_view> filters,
                                                std::uint16_t packet_id) {
  std::string bytes;
  mqtt::append_unsubscribe(bytes, PacketId{packet_id}, filters);
  return send(bytes);
}

std::vector<std::string> SimDevice::puback(std::uint16_t packet_id) {
  std::string bytes;
  mqtt::append_puback(bytes, PacketId{packet_id});
  return send(bytes);
}

std::vector<std::string> SimDevice::ping() {
  std::string bytes;
  mqtt::append_pingreq(bytes);
  return send(bytes);
}

std::vector<std::string> SimDevice::disconnect() {
  std::string bytes;
  mqtt::append_disconnect(bytes);
  return send(bytes);
}

std::vector<std::string> SimDevice::send(std::string_view bytes) {
  link_.send(bytes);
  hub_.loop.run();
  return packets();
}

void SimDevice::drop() {
  link_.drop();
  hub_.loop.run();
}

std::vector<std::string> SimDevice::packets() { return describe_packets(link_.take_received()); }

}  // namespace kyanite::test
