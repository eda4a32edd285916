#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/base/ids.h"

// MQTT 3.1.1 control packets as values. Views point into the bytes given to the decoder or its copy of them,
// and are valid until its next call.
namespace kyanite::mqtt {

enum class QoS : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

enum class ConnectCode : std::uint8_t {
  accepted = 0,
  bad_protocol_version = 1,
  identifier_rejected = 2,
  server_unavailable = 3,
  not_authorized = 5,  // 4 is never sent (spec device-mqtt.md 2.8)
};

struct Will {
  std::string_view topic;
  std::string_view payload;
  QoS qos = QoS::at_most_once;
  bool retain = false;
};

// An empty client_id and any will topic are the caller's to judge (spec device-mqtt.md 2.8, 2.9).
struct Connect {
  std::string_view client_id;
  bool clean_session = false;
  std::uint16_t keep_alive_seconds = 0;
  std::optional<Will> will;
  std::optional<std::string_view> username;
  std::optional<std::string_view> password;
};

// A CONNECT of another protocol level or name: answered with bad_protocol_version, nothing else was parsed.
struct UnsupportedConnect {};

// The topic is not empty. Wildcards in it are refused by the topic grammar (protocol/topics) and not here: an
// identity's own id may contain '+' and '#' (spec device-mqtt.md 3.6).
struct Publish {
  std::string_view topic;
  std::string_view payload;
  QoS qos = QoS::at_most_once;
  bool dup = false;
  bool retain = false;
  PacketId packet_id{};  // only with QoS 1 and 2
};

struct Puback {
  PacketId packet_id{};
};

struct TopicRequest {
  std::string_view filter;
  QoS qos = QoS::at_most_once;
};

struct Subscribe {
  PacketId packet_id{};
  std::vector<TopicRequest> requests;  // never empty
};

struct Unsubscribe {
  PacketId packet_id{};
  std::vector<std::string_view> filters;  // never empty
};

struct Pingreq {};
struct Disconnect {};

using Packet =
    std::variant<Connect, UnsupportedConnect, Publish, Puback, Subscribe, Unsubscribe, Pingreq, Disconnect>;

}  // namespace kyanite::mqtt
