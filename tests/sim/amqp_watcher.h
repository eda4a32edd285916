#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/message.h"
#include "protocol/amqp/performatives.h"

namespace kyanite::sim {

// A link of the hub that sends, as its frames tell.
struct WatchedLink {
  std::string address;     // of its source
  std::uint64_t line = 0;  // names the link among all of a run
  std::string assembled;
};

// AmqpWatcher reads what the hub writes to one connection, at the moment it writes: what is judged then is
// not what a client finds later, or never.
class AmqpWatcher {
 public:
  using NewNumber = std::function<std::uint64_t()>;
  using OnMessage = std::function<void(const WatchedLink&, const amqp::Message&)>;

  AmqpWatcher(NewNumber new_number, OnMessage on_message)
      : new_number_(std::move(new_number)), on_message_(std::move(on_message)) {}

  // Errors: what the hub wrote is not AMQP.
  Result<void> take(std::string_view bytes);

 private:
  Result<void> on_frame(const amqp::Frame& frame);
  Result<void> on_transfer(const amqp::Transfer& transfer);

  NewNumber new_number_;
  OnMessage on_message_;
  amqp::FrameDecoder decoder_{65'536};
  bool awaits_header_ = true;
  std::map<std::uint32_t, WatchedLink> links_;  // by the hub's handle
};

}  // namespace kyanite::sim
