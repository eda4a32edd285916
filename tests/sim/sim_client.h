#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/sim/checkers.h"
#include "tests/sim/packet_reader.h"
#include "tests/support/sim_channel.h"
#include "tests/support/sim_hub.h"

namespace kyanite::sim {

// How a client treats what it is sent; drawn anew for each connection.
struct Manners {
  enum class Answer { prompt, late, twice, wrong_id, never, bad_json, no_body };
  Answer methods = Answer::prompt;
  enum class Puback { prompt, late, never };
  Puback pubacks = Puback::prompt;
  bool acknowledges_strangers = false;  // sends a PUBACK for ids it never got, too
};

// SimClient is one program that speaks MQTT as a device or module, on one connection at a time. It reads what
// came when it is told to, so that anything may lie unread. Two clients may have one identity.
class SimClient {
 public:
  SimClient(Checkers& checkers, Random& random, Identity identity)
      : checkers_(checkers), random_(random), identity_(std::move(identity)) {}

  const Identity& identity() const { return identity_; }
  bool has_link() const { return link_ != nullptr; }
  bool is_connected() const { return connected_; }
  bool is_stalled() const { return stalled_; }

  // Each needs a link unless it makes one; what the state does not allow is left out.
  void connect(test::SimHub& hub, bool clean_session, Manners manners, bool with_will);
  void publish(int qos, bool duplicate_id);
  void subscribe(const std::string& filter, int qos);
  void unsubscribe(const std::string& filter);
  void get_twin(const MemoryState& state);
  void patch_twin(const MemoryState& state, const std::string& key, bool removes);
  void send_late_answers();  // what its manners put off
  void acknowledge_late();
  void acknowledge_stranger();
  void ping();
  void disconnect();
  void cut();
  void stall();
  void unstall();
  // Forgets the connection, as when the hub's machine went down.
  void forget();

  // Reads and reacts to what came; notices the end of the connection.
  void read(const MemoryState& state);

  std::string c2d_filter() const { return "devices/" + identity_.device + "/messages/devicebound/#"; }

 private:
  struct Subscribing {
    std::string filter;
    bool adds = true;
  };

  void send(const std::string& bytes);
  std::uint16_t new_packet_id();
  void react(const ServerPacket& packet, const MemoryState& state);
  void on_publish(const ServerPacket& packet, const MemoryState& state);
  void on_twin_response(const ServerPacket& packet, const MemoryState& state);
  void on_method(const ServerPacket& packet);
  void answer_method(const std::string& rid, std::uint64_t number, const std::string& body);
  void puback(std::uint16_t packet_id, std::uint64_t number);
  // What the hub writes, as it does.
  void watch(PacketReader& reader, std::uint64_t connection, std::string_view bytes);
  std::string events_topic() const;
  std::string name() const { return name_of(identity_); }

  Checkers& checkers_;
  Random& random_;
  const Identity identity_;

  std::unique_ptr<test::SimLink> link_;
  test::SimHub* hub_ = nullptr;
  std::uint64_t connection_ = 0;
  std::uint64_t will_ = 0;
  Manners manners_;
  bool connected_ = false;
  bool stalled_ = false;
  std::uint16_t last_packet_id_ = 0;
  PacketReader reader_;
  std::deque<std::pair<std::uint16_t, std::uint64_t>> unacknowledged_;  // packet id, telemetry number
  std::map<std::uint16_t, Subscribing> subscribing_;
  std::map<std::string, std::string> gets_;                           // generation by request id
  std::map<std::string, std::uint64_t> patches_;                      // patch number by request id
  std::deque<std::pair<std::string, std::uint64_t>> late_answers_;    // request id, call number
  std::deque<std::pair<std::uint16_t, std::uint64_t>> late_pubacks_;  // packet id, message number
};

}  // namespace kyanite::sim
