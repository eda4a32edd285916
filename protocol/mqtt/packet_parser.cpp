#include "protocol/mqtt/packet_parser.h"

#include "protocol/mqtt/utf8_string.h"

namespace kyanite::mqtt {
namespace {

enum class Type : std::uint8_t {
  connect = 1,
  publish = 3,
  puback = 4,
  subscribe = 8,
  unsubscribe = 10,
  pingreq = 12,
  disconnect = 14,
};

// CONNECT flags (MQTT 3.1.1 section 3.1.2.3).
constexpr std::uint8_t kFlagReserved = 0x01;
constexpr std::uint8_t kFlagCleanSession = 0x02;
constexpr std::uint8_t kFlagWill = 0x04;
constexpr std::uint8_t kWillQosShift = 3;
constexpr std::uint8_t kFlagWillRetain = 0x20;
constexpr std::uint8_t kFlagPassword = 0x40;
constexpr std::uint8_t kFlagUsername = 0x80;

constexpr std::uint8_t kProtocolLevel = 4;

// PUBLISH flags in the fixed header (MQTT 3.1.1 section 3.3.1).
constexpr std::uint8_t kFlagRetain = 0x01;
constexpr std::uint8_t kPublishQosShift = 1;
constexpr std::uint8_t kFlagDup = 0x08;

Error malformed(const char* what) { return Error(Errc::malformed_packet, what); }

// Takes fields off the front of a packet body. After a failed read every later read fails as well, so a
// parser may read several fields and look once.
class FieldReader {
 public:
  explicit FieldReader(std::string_view body) : rest_(body) {}

  std::uint8_t byte() {
    if (!need(1)) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  std::uint16_t number() {
    if (!need(2)) return 0;
    const auto high = static_cast<std::uint8_t>(rest_[0]);
    const auto low = static_cast<std::uint8_t>(rest_[1]);
    rest_.remove_prefix(2);
    return static_cast<std::uint16_t>(high << 8 | low);
  }

  // Bytes with a two-byte length in front.
  std::string_view binary() {
    const std::size_t length = number();
    if (!need(length)) return {};
    const std::string_view value = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return value;
  }

  // The same, but UTF-8.
  std::string_view string() {
    const std::string_view value = binary();
    if (!is_mqtt_string(value)) ok_ = false;
    return value;
  }

  std::string_view remaining() const { return rest_; }
  bool at_end() const { return rest_.empty(); }
  bool ok() const { return ok_; }

 private:
  bool need(std::size_t bytes) {
    if (rest_.size() < bytes) ok_ = false;
    return ok_;
  }

  std::string_view rest_;
  bool ok_ = true;
};

// The rules between CONNECT flags (MQTT 3.1.1 sections 3.1.2.3 to 3.1.2.9); nullptr when they hold.
const char* refuse_connect_flags(std::uint8_t flags) {
  const int will_qos = flags >> kWillQosShift & 3;
  if ((flags & kFlagReserved) != 0) return "CONNECT sets the reserved flag";
  if (will_qos == 3) return "CONNECT asks for will QoS 3";
  if ((flags & kFlagWill) == 0 && (will_qos != 0 || (flags & kFlagWillRetain) != 0)) {
    return "CONNECT sets will QoS or will retain without a will";
  }
  if ((flags & kFlagPassword) != 0 && (flags & kFlagUsername) == 0) {
    return "CONNECT has a password without a username";
  }
  return nullptr;
}

Result<Packet> parse_connect(std::string_view body) {
  FieldReader reader(body);
  const std::string_view name = reader.string();
  const std::uint8_t level = reader.byte();
  if (!reader.ok()) return malformed("CONNECT has no protocol name and level");
  // Older and newer versions are told so (spec device-mqtt.md 2.8); the rest of their CONNECT may look
  // different.
  if (name == "MQIsdp" || (name == "MQTT" && level != kProtocolLevel)) return Packet(UnsupportedConnect{});
  if (name != "MQTT") return malformed("CONNECT names another protocol");

  const std::uint8_t flags = reader.byte();
  Connect connect;
  connect.keep_alive_seconds = reader.number();
  if (!reader.ok()) return malformed("CONNECT ends within its header");
  if (const char* reason = refuse_connect_flags(flags)) return malformed(reason);

  connect.clean_session = (flags & kFlagCleanSession) != 0;
  connect.client_id = reader.string();
  if ((flags & kFlagWill) != 0) {
    Will will;
    will.topic = reader.string();
    will.payload = reader.binary();
    will.qos = static_cast<QoS>(flags >> kWillQosShift & 3);
    will.retain = (flags & kFlagWillRetain) != 0;
    connect.will = will;
  }
  if ((flags & kFlagUsername) != 0) connect.username = reader.string();
  if ((flags & kFlagPassword) != 0) connect.password = reader.binary();
  if (!reader.ok()) return malformed("CONNECT has a field that is cut off or not UTF-8");
  if (!reader.at_end()) return malformed("CONNECT has bytes after its last field");
  return Packet(connect);
}

Result<Packet> parse_publish(std::uint8_t first, std::string_view body) {
  Publish publish;
  publish.qos = static_cast<QoS>(first >> kPublishQosShift & 3);
  publish.dup = (first & kFlagDup) != 0;
  publish.retain = (first & kFlagRetain) != 0;
  FieldReader reader(body);
  publish.topic = reader.string();
  if (publish.qos != QoS::at_most_once) {
    publish.packet_id.value = reader.number();
    if (publish.packet_id.value == 0) return malformed("PUBLISH has packet id 0, or ends before it");
  }
  if (!reader.ok()) return malformed("PUBLISH has a topic that is cut off or not UTF-8");
  if (publish.topic.empty()) return malformed("PUBLISH has an empty topic");
  publish.payload = reader.remaining();
  return Packet(publish);
}

Result<Packet> parse_puback(std::string_view body) {
  FieldReader reader(body);
  const PacketId packet_id{reader.number()};
  if (packet_id.value == 0 || !reader.at_end()) return malformed("PUBACK is not one packet id");
  return Packet(Puback{packet_id});
}

Result<Packet> parse_subscribe(std::string_view body) {
  FieldReader reader(body);
  Subscribe subscribe;
  subscribe.packet_id.value = reader.number();
  if (subscribe.packet_id.value == 0) return malformed("SUBSCRIBE has packet id 0, or none");
  if (reader.at_end()) return malformed("SUBSCRIBE has no filter");
  while (!reader.at_end()) {
    const std::string_view filter = reader.string();
    const std::uint8_t qos = reader.byte();
    if (!reader.ok()) return malformed("SUBSCRIBE has a filter that is cut off or not UTF-8");
    if (filter.empty()) return malformed("SUBSCRIBE has an empty filter");
    if (qos > 2) return malformed("SUBSCRIBE has a QoS above 2 or reserved bits");
    subscribe.requests.push_back({filter, static_cast<QoS>(qos)});
  }
  return Packet(std::move(subscribe));
}

Result<Packet> parse_unsubscribe(std::string_view body) {
  FieldReader reader(body);
  Unsubscribe unsubscribe;
  unsubscribe.packet_id.value = reader.number();
  if (unsubscribe.packet_id.value == 0) return malformed("UNSUBSCRIBE has packet id 0, or none");
  if (reader.at_end()) return malformed("UNSUBSCRIBE has no filter");
  while (!reader.at_end()) {
    const std::string_view filter = reader.string();
    if (!reader.ok()) return malformed("UNSUBSCRIBE has a filter that is cut off or not UTF-8");
    if (filter.empty()) return malformed("UNSUBSCRIBE has an empty filter");
    unsubscribe.filters.push_back(filter);
  }
  return Packet(std::move(unsubscribe));
}

}  // namespace

std::optional<Error> refuse_first_byte(std::uint8_t first) {
  const int flags = first & 15;
  switch (first >> 4) {
    case 1:   // CONNECT
    case 4:   // PUBACK
    case 12:  // PINGREQ
    case 14:  // DISCONNECT
      if (flags != 0) return malformed("a fixed header has wrong flags");
      return std::nullopt;
    case 8:   // SUBSCRIBE
    case 10:  // UNSUBSCRIBE
      if (flags != 2) return malformed("a fixed header has wrong flags");
      return std::nullopt;
    case 3:  // PUBLISH
      if ((flags >> kPublishQosShift & 3) == 3) return malformed("PUBLISH has QoS 3");
      if ((flags & kFlagDup) != 0 && (flags >> kPublishQosShift & 3) == 0) {
        return malformed("PUBLISH has DUP with QoS 0");
      }
      return std::nullopt;
    case 5:  // PUBREC
    case 6:  // PUBREL
    case 7:  // PUBCOMP
      return Error(Errc::protocol_violation, "a QoS 2 acknowledgement");
    case 2:   // CONNACK
    case 9:   // SUBACK
    case 11:  // UNSUBACK
    case 13:  // PINGRESP
      return Error(Errc::protocol_violation, "a packet that only servers send");
    default:  // 0, and 15 which is AUTH of MQTT 5
      return malformed("a reserved packet type");
  }
}

Result<Packet> parse_packet(std::uint8_t first, std::string_view body) {
  switch (static_cast<Type>(first >> 4)) {
    case Type::connect:
      return parse_connect(body);
    case Type::publish:
      return parse_publish(first, body);
    case Type::puback:
      return parse_puback(body);
    case Type::subscribe:
      return parse_subscribe(body);
    case Type::unsubscribe:
      return parse_unsubscribe(body);
    case Type::pingreq:
      if (!body.empty()) return malformed("PINGREQ has a body");
      return Packet(Pingreq{});
    case Type::disconnect:
      if (!body.empty()) return malformed("DISCONNECT has a body");
      return Packet(Disconnect{});
  }
  return malformed("a reserved packet type");
}

}  // namespace kyanite::mqtt
