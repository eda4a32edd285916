#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/amqp/engine.h"

// What an Engine keeps of sessions and links; for its own files only.
namespace kyanite::amqp {

struct Engine::Link {
  LinkId id;
  Session* session = nullptr;
  std::uint32_t handle = 0;  // the peer's; ours is the same number
  bool hub_sends = false;
  bool answered = false;           // accept() was called
  bool ending = false;             // our detach is out, the peer's is not in
  std::unique_ptr<Attach> attach;  // until it is answered

  // Both directions: deliveries so far and what may still come or go.
  std::uint32_t delivery_count = 0;
  std::uint32_t credit = 0;

  // Hub receives.
  std::uint32_t credit_window = 0;
  std::uint32_t unsettled = 0;
  struct Assembly {
    std::uint32_t delivery = 0;
    std::uint32_t format = 0;
    bool settled = false;
    bool too_large = false;
    std::string bytes;
  };
  std::unique_ptr<Assembly> assembly;

  // Hub sends.
  bool draining = false;
  std::unordered_map<std::uint64_t, std::uint32_t> unsettled_by_key;  // delivery ids
  // Frames of the last message that the session's window had no room for.
  struct Remainder {
    std::uint32_t delivery = 0;
    std::uint32_t format = 0;
    bool settled = false;
    std::string tag;
    std::string bytes;
    std::size_t at = 0;
  };
  std::unique_ptr<Remainder> remainder;
};

struct Engine::Session {
  std::uint16_t channel = 0;     // the peer's; ours is the same number
  bool ended = false;            // our end is out; whatever comes is ignored (spec amqp.md 2.3)
  std::uint32_t handle_max = 0;  // the peer's

  std::uint32_t next_incoming_id = 0;
  std::uint32_t incoming_window = 0;  // transfers that may still come before the next flow
  std::uint32_t next_outgoing_id = 0;
  std::uint32_t remote_window = 0;  // transfers that may still go
  std::uint32_t next_delivery = 0;

  struct Sent {
    Link* link = nullptr;
    std::uint64_t key = 0;
    bool told = false;  // its outcome, which awaits settle_sent
  };
  std::size_t remainders = 0;  // links that have frames left
  std::unordered_map<std::uint32_t, Link*> handles;
  std::unordered_map<std::uint32_t, Sent> unsettled;  // by delivery id
};

}  // namespace kyanite::amqp
