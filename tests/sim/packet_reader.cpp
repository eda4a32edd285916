#include "tests/sim/packet_reader.h"

namespace kyanite::sim {
namespace {

std::uint16_t word(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

ServerPacket parse(unsigned char first, std::string_view body) {
  ServerPacket packet;
  packet.type = static_cast<ServerPacket::Type>(first >> 4);
  switch (packet.type) {
    case ServerPacket::Type::connack:
      packet.session_present = body[0] == 1;
      packet.code = static_cast<std::uint8_t>(body[1]);
      break;
    case ServerPacket::Type::publish: {
      packet.qos = first >> 1 & 3;
      packet.dup = (first & 8) != 0;
      const std::size_t topic_bytes = word(body, 0);
      packet.topic = body.substr(2, topic_bytes);
      body.remove_prefix(2 + topic_bytes);
      if (packet.qos > 0) {
        packet.packet_id = word(body, 0);
        body.remove_prefix(2);
      }
      packet.payload = body;
      break;
    }
    case ServerPacket::Type::suback:
      packet.code = static_cast<std::uint8_t>(body[2]);
      packet.packet_id = word(body, 0);
      break;
    case ServerPacket::Type::puback:
    case ServerPacket::Type::unsuback:
      packet.packet_id = word(body, 0);
      break;
    case ServerPacket::Type::pingresp:
      break;
  }
  return packet;
}

}  // namespace

std::vector<ServerPacket> PacketReader::take(std::string_view bytes) {
  pending_ += bytes;
  std::vector<ServerPacket> packets;
  while (auto packet = next()) packets.push_back(std::move(*packet));
  return packets;
}

std::optional<ServerPacket> PacketReader::next() {
  std::size_t size = 0;
  std::size_t at = 1;
  for (int shift = 0;; shift += 7) {
    if (at >= pending_.size()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(pending_[at++]);
    size |= static_cast<std::size_t>(byte & 127) << shift;
    if (byte < 128) break;
  }
  if (pending_.size() < at + size) return std::nullopt;
  ServerPacket packet =
      parse(static_cast<unsigned char>(pending_[0]), std::string_view(pending_).substr(at, size));
  pending_.erase(0, at + size);
  return packet;
}

std::string topic_value(std::string_view topic, std::string_view name) {
  const std::string key = std::string(name) + "=";
  const std::size_t question = topic.find('?');
  if (question == std::string_view::npos) return {};
  topic.remove_prefix(question + 1);
  while (!topic.empty()) {
    const std::size_t end = std::min(topic.find('&'), topic.size());
    const std::string_view piece = topic.substr(0, end);
    if (piece.starts_with(key)) return std::string(piece.substr(key.size()));
    topic.remove_prefix(std::min(end + 1, topic.size()));
  }
  return {};
}

}  // namespace kyanite::sim
