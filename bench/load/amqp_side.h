#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/amqp_client.h"

namespace kyanite::load {

// AmqpSide is what a Link speaks in place of MQTT: a device that proves its token by SASL PLAIN and sends
// telemetry on one link, unsettled. With a batch of more than one message a transfer carries so many (format
// 0x80013700), or what there is at the end of a turn.
//
// Owner: a Link. Bound: the window of its scenario.
class AmqpSide {
 public:
  AmqpSide(const std::string& host, const std::string& device, const std::string& token, std::uint32_t batch);

  // What came of bytes.
  struct Heard {
    bool ready = false;  // telemetry may be sent
    bool room = false;   // there was credit
    std::vector<std::uint16_t> acknowledged;
    std::string closed;  // why the hub ended it, or refused a message
  };

  void start() { client_.start(); }
  Heard feed(std::string_view bytes);
  // Credit for one more message.
  bool has_room() const;
  void publish(std::string_view body, std::uint16_t id);
  void end_turn();  // what waits for more of its batch goes
  void ping() { client_.ping(); }
  void close() { client_.close(); }
  std::string& output() { return client_.output(); }

 private:
  struct Sent {
    std::uint32_t delivery = 0;
    std::vector<std::uint16_t> ids;
  };
  void on_settled(const test::AmqpClient::Settled& settled, Heard& heard);

  test::AmqpClient client_;
  const std::string address_;
  const std::uint32_t batch_;
  test::AmqpClient::Handle link_ = 0;
  bool ready_ = false;
  std::string payload_;                   // the transfer that is put together
  std::vector<std::uint16_t> batch_ids_;  // and its messages
  std::deque<Sent> sent_;                 // unsettled, oldest first
};

}  // namespace kyanite::load
