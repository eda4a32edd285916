#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/sim_amqp.h"
#include "tests/sim/sim_client.h"

namespace kyanite::sim {

// How a device treats what it is sent over AMQP; drawn anew for each connection.
struct AmqpManners {
  Manners::Answer methods = Manners::Answer::prompt;
  enum class Settle { prompt, late, never, any };
  Settle messages = Settle::prompt;
};

// SimAmqpDevice is one program that speaks AMQP as a device or module. Others with the same identity may
// speak MQTT.
//
// Files: sim_amqp_device.cpp (links, telemetry, messages), sim_amqp_requests.cpp (twins, methods).
class SimAmqpDevice final : public SimAmqp {
 public:
  enum class Node { telemetry, messages, twin, methods };

  SimAmqpDevice(Checkers& checkers, Random& random, Identity identity);

  const Identity& identity() const { return identity_; }

  // What the state does not allow is left out.
  void connect(test::SimHub& hub, AmqpManners manners);
  void attach_node(Node node);
  void detach_node(Node node);
  void publish();        // one transfer, of one message or of several
  void send_nonsense();  // which has to be refused
  void give_credit();
  void get_twin();
  void patch_twin(const std::string& key, bool removes);
  void want_desired(bool wants);
  void send_late_answers();
  void settle_late();
  // Takes all messages from now on.
  void behave();

 private:
  // A sender and a receiver, as the node has them.
  struct Pair {
    std::optional<Handle> sender;
    std::optional<Handle> receiver;
    bool open = false;  // the receiver, or the sender where there is none
    amqp::ReceiverMode mode = amqp::ReceiverMode::first;
    std::uint64_t line = 0;
    bool settled = false;
  };
  Pair& pair(Node node) { return pairs_[static_cast<std::size_t>(node)]; }
  std::string address_of(Node node) const;

  void on_connected() override;
  void on_forgotten() override;
  void on_attached(Handle link) override;
  void on_detached(Handle link, const std::optional<amqp::Condition>& condition) override;
  void on_received(const Client::Received& received) override;
  void on_settled(const Client::Settled& settled) override;
  void on_confirmed(const Client::Confirmed& confirmed) override;
  AmqpWatcher::OnMessage watcher() override;

  void on_c2d(std::uint32_t delivery, std::uint64_t number);
  void settle(std::uint32_t delivery, std::uint64_t number, amqp::OutcomeKind outcome);
  void on_twin(const amqp::Message& message);
  void on_method(const amqp::Message& message);
  void answer_method(const amqp::Value& correlation_id, std::uint64_t number, const std::string& body);
  void ask_twin(const std::string& id, const amqp::Map& annotations, const std::string& body);

  const Identity identity_;
  AmqpManners manners_;
  std::array<Pair, 4> pairs_;
  std::map<std::uint32_t, std::vector<std::uint64_t>> unsettled_;  // telemetry numbers by delivery
  std::map<std::uint32_t, bool> nonsense_;                         // deliveries that must be rejected
  std::map<std::uint32_t, std::pair<std::uint64_t, amqp::OutcomeKind>> unconfirmed_;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> late_;        // delivery, message number
  std::deque<std::pair<amqp::Value, std::uint64_t>> late_answers_;  // correlation id, call number
  std::map<std::string, std::string> gets_;                         // generation by correlation id
  std::map<std::string, std::uint64_t> patches_;
};

}  // namespace kyanite::sim
