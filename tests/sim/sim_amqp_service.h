#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/sim_amqp.h"

namespace kyanite::sim {

// SimAmqpService is a back end that speaks AMQP: it sends messages to devices and receives their feedback.
class SimAmqpService final : public SimAmqp {
 public:
  SimAmqpService(Checkers& checkers, Random& random) : SimAmqp(checkers, random, "back end@") {}

  // What the state does not allow is left out.
  void connect(test::SimHub& hub);
  void send_c2d(const std::string& device, AckRequest ack, std::optional<seconds> time_to_live);
  void want_feedback();  // a receiver, or more credit for it
  void detach_feedback();

 private:
  void on_connected() override;
  void on_forgotten() override;
  void on_detached(Handle link, const std::optional<amqp::Condition>& condition) override;
  void on_received(const Client::Received& received) override;
  void on_settled(const Client::Settled& settled) override;
  void on_confirmed(const Client::Confirmed& confirmed) override;

  std::optional<Handle> sender_;
  std::optional<Handle> feedback_;
  amqp::ReceiverMode mode_ = amqp::ReceiverMode::first;
  std::map<std::uint32_t, std::uint64_t> sends_;                   // message numbers by delivery
  std::map<std::uint32_t, std::vector<std::string>> unconfirmed_;  // message ids by delivery
};

}  // namespace kyanite::sim
