#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/events/hub_stream.h"
#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/performatives.h"

namespace kyanite::load {

// EventReader reads partitions from the start over one connection: a session for each, as the Node client
// does, with a window of transfers and more credit than that.
class EventReader {
 public:
  struct Options {
    std::uint32_t window = 2048;  // transfers of a session under way
    std::string group = "$Default";
  };
  EventReader(HubStream& stream, Options options);

  // Opens the connection and proves the token for the event hub.
  void open(const std::string& host, const std::string& entity, const std::string& token);
  void attach(const std::string& entity, std::uint32_t partition);
  // Reads until so many events came.
  void read(std::uint64_t events);

  std::uint64_t events() const { return events_; }
  std::uint64_t bytes() const { return bytes_; }  // of messages

 private:
  struct Session {
    std::uint32_t received = 0;  // transfers
    std::uint32_t answered = 0;  // of these, when the last flow went
    std::uint32_t deliveries = 0;
  };

  // The next frame with a performative, and its channel.
  amqp::Performative next(std::uint16_t& channel);
  template <class T>
  T expect();
  void put_token(const std::string& audience, const std::string& token);
  void on_transfer(std::uint16_t channel, const amqp::Transfer& transfer);
  void flow(std::uint16_t channel, Session& session);

  HubStream& stream_;
  const Options options_;
  amqp::FrameDecoder decoder_{65'536};
  std::string output_;
  std::vector<Session> sessions_;  // by channel; the first is that of $cbs
  std::uint64_t events_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace kyanite::load
