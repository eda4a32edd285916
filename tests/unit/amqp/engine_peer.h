#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/amqp/engine.h"
#include "protocol/amqp/frame_decoder.h"
#include "protocol/base/assert.h"

namespace kyanite::amqp::test {

inline Open open_of(std::uint32_t max_frame_size = 65'536) {
  Open open;
  open.container_id = "me";
  open.hostname = "hub.test";
  open.max_frame_size = max_frame_size;
  return open;
}

// A frame of the engine, its views owned.
struct Sent {
  std::uint16_t channel = 0;
  Performative performative;
  std::string payload;
};

// The client of an Engine: writes frames, collects events, and reads what the engine wrote.
class Peer {
 public:
  explicit Peer(EngineSettings settings = {}) : engine(std::move(settings), now) {}

  // Open connection with session 0.
  Peer& opened(std::uint32_t incoming_window = 1000, Open open = {}) {
    feed(std::string("AMQP\x00\x01\x00\x00", 8));
    std::string bytes;
    append_open(bytes, open);
    append_begin(bytes, 0, Begin{std::nullopt, 0, incoming_window, 1000, 255});
    feed(bytes);
    take_header();
    take();
    events.clear();
    return *this;
  }

  void feed(std::string_view bytes) {
    const std::string copy(bytes);
    engine.feed(copy, now);
    drain();
    engine.hold();
  }
  void drain() {
    while (std::optional<Event> event = engine.next()) {
      if (auto* message = std::get_if<MessageReceived>(&*event)) {
        bodies.emplace_back(message->payload);
        message->payload = {};
      }
      events.push_back(std::move(*event));
    }
  }

  LinkId attach(Role role, std::uint32_t handle, std::string_view address = "node", std::uint16_t channel = 0,
                SenderMode mode = SenderMode::mixed) {
    Attach attach;
    attach.name = "link" + std::to_string(handle);
    attach.handle = handle;
    attach.role = role;
    attach.sender_mode = mode;
    attach.source.encoded = source_of(role == Role::receiver ? address : "");
    attach.target.encoded = target_of(role == Role::sender ? address : "");
    if (role == Role::sender) attach.initial_delivery_count = 0;
    std::string bytes;
    append_attach(bytes, channel, attach);
    feed(bytes);
    const auto* received = std::get_if<AttachReceived>(&events.back());
    KYANITE_ASSERT(received != nullptr);
    const LinkId link = received->link;
    events.clear();
    return link;
  }
  // A link on which the hub sends, accepted, with credit.
  LinkId receiver(std::uint32_t handle, std::uint32_t credit, std::uint32_t window = 1000) {
    const LinkId link = attach(Role::receiver, handle);
    engine.accept(link, {});
    flow({.incoming_window = window, .handle = handle, .delivery_count = 0, .link_credit = credit});
    take();
    events.clear();
    return link;
  }
  LinkId sender(std::uint32_t handle, std::uint32_t credit) {
    const LinkId link = attach(Role::sender, handle);
    Acceptance acceptance;
    acceptance.credit = credit;
    engine.accept(link, acceptance);
    take();
    events.clear();
    return link;
  }

  struct FlowOf {
    std::optional<std::uint32_t> next_incoming_id = std::nullopt;  // what was received so far when absent
    std::uint32_t incoming_window = 1000;
    std::optional<std::uint32_t> handle = std::nullopt;
    std::optional<std::uint32_t> delivery_count = std::nullopt;
    std::optional<std::uint32_t> link_credit = std::nullopt;
    bool drain = false;
    bool echo = false;
  };
  void flow(const FlowOf& of, std::uint16_t channel = 0) {
    Flow flow;
    flow.next_incoming_id = of.next_incoming_id.value_or(transfers);
    flow.incoming_window = of.incoming_window;
    flow.outgoing_window = 1000;
    flow.next_outgoing_id = sent;
    flow.handle = of.handle;
    flow.delivery_count = of.delivery_count;
    flow.link_credit = of.link_credit;
    flow.drain = of.drain;
    flow.echo = of.echo;
    std::string bytes;
    append_flow(bytes, channel, flow);
    feed(bytes);
  }
  void transfer(std::uint32_t handle, std::uint32_t delivery, std::string_view payload, bool settled = false,
                bool more = false, bool aborted = false) {
    Transfer transfer;
    transfer.handle = handle;
    transfer.delivery_id = delivery;
    transfer.delivery_tag = "t";
    transfer.message_format = 0;
    transfer.settled = settled;
    transfer.more = more;
    transfer.aborted = aborted;
    std::string bytes;
    append_transfer_head(bytes, 0, transfer, payload.size());
    bytes += payload;
    ++sent;
    feed(bytes);
  }
  void dispose(std::uint32_t first, std::uint32_t last, std::optional<Outcome> state, bool settled) {
    std::string bytes;
    append_disposition(bytes, 0, Disposition{Role::receiver, first, last, settled, std::move(state)});
    feed(bytes);
  }

  // What the engine wrote since the last call.
  std::vector<Sent> take() {
    std::string bytes = std::exchange(engine.output(), {});
    std::vector<Sent> frames;
    decoder_.feed(bytes);
    for (;;) {
      const auto frame = decoder_.next_frame();
      KYANITE_ASSERT(frame.has_value());
      if (!*frame) return frames;
      if ((*frame)->body.empty()) {
        ++heartbeats;
        continue;
      }
      auto read = read_performative((*frame)->body);
      KYANITE_ASSERT(read.has_value());
      Sent made{(*frame)->channel, std::move(*read), {}};
      if (auto* transfer = std::get_if<Transfer>(&made.performative)) {
        made.payload = transfer->payload;
        tag = transfer->delivery_tag;
        transfer->payload = transfer->delivery_tag = {};
        ++transfers;
      }
      frames.push_back(std::move(made));
    }
  }
  void take_header() {
    KYANITE_ASSERT(engine.output().substr(0, 8) == std::string("AMQP\x00\x01\x00\x00", 8));
    engine.output().erase(0, 8);
  }
  template <class P>
  std::vector<P> take_of() {
    std::vector<P> found;
    for (Sent& frame : take()) {
      if (auto* p = std::get_if<P>(&frame.performative)) found.push_back(std::move(*p));
    }
    return found;
  }
  template <class E>
  std::vector<E> take_events() {
    std::vector<E> found;
    for (Event& event : std::exchange(events, {})) {
      if (auto* e = std::get_if<E>(&event)) found.push_back(std::move(*e));
    }
    return found;
  }

  SteadyTime now{};
  Engine engine;
  std::vector<Event> events;
  std::vector<std::string> bodies;
  std::string tag;              // of the last transfer taken
  std::uint32_t transfers = 0;  // received, all
  std::uint32_t sent = 0;
  unsigned heartbeats = 0;

 private:
  FrameDecoder decoder_{1'000'000};
};

inline const Outcome kAccepted{};
inline Outcome rejected(std::string name) {
  return {OutcomeKind::rejected, Condition{std::move(name), "why", {}}};
}

}  // namespace kyanite::amqp::test
