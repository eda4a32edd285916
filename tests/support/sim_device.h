#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/mqtt/encoder.h"
#include "tests/support/sim_channel.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {

// Server packets as text: "CONNACK 0", "CONNACK 0 present", "PUBACK 7", "SUBACK 1 [0 1 128]", "UNSUBACK 2",
// "PINGRESP", "PUBLISH q0 topic payload", "PUBLISH q1 id=1 dup topic payload". Bytes that are no whole packet
// become "GARBAGE".
std::vector<std::string> describe_packets(std::string_view bytes);

// What a client puts into CONNECT; empty texts mean the usual ones for the identity.
struct ConnectOptions {
  std::string client_id = {};
  std::string username = {};
  std::string password = {};
  std::uint16_t keep_alive_seconds = 60;
  bool clean_session = false;
  std::optional<mqtt::Will> will = {};
};

// SimDevice is a client that speaks raw MQTT to a SimHub. Every action runs the hub until it stands still.
class SimDevice {
 public:
  // Opens a link to the given shard; nothing is sent.
  SimDevice(SimHub& hub, IdentityRecord identity, std::uint16_t shard = 0, PeerInfo peer = {});

  // CONNECT; gives what came back.
  std::vector<std::string> connect(ConnectOptions options = {});
  // The same on a new link, for tests that only care whether it worked.
  static std::vector<std::string> try_connect(SimHub& hub, const IdentityRecord& identity,
                                              ConnectOptions options = {});

  std::vector<std::string> publish(std::string_view topic, std::string_view payload, mqtt::QoS qos,
                                   PacketId id = {}, bool retain = false, bool dup = false);
  // QoS 1 to the identity's own events topic.
  std::vector<std::string> telemetry(std::string_view bag, std::string_view payload,
                                     std::uint16_t packet_id = 1);
  std::vector<std::string> subscribe(std::vector<mqtt::TopicRequest> requests, std::uint16_t packet_id = 1);
  std::vector<std::string> unsubscribe(std::vector<std::string_view> filters, std::uint16_t packet_id = 1);
  std::vector<std::string> puback(std::uint16_t packet_id);
  std::vector<std::string> ping();
  std::vector<std::string> disconnect();
  std::vector<std::string> send(std::string_view bytes);
  void drop();

  std::vector<std::string> packets();  // what came since the last look
  bool closed() const { return link_.is_closed(); }
  SimLink& link() { return link_; }

  std::string connect_bytes(ConnectOptions options) const;
  std::string events_topic(std::string_view bag = {}) const;
  std::string name() const;

 private:
  SimHub& hub_;
  IdentityRecord identity_;
  SimLink link_;
};

}  // namespace kyanite::test
