#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "server/hub/device_host.h"

namespace kyanite {

// C2dQueue is the durable queue of cloud-to-device messages of one device (spec device-mqtt.md 5,
// service-rest.md 8.3): enqueued, invisible while it is with the device, completed or dead.
//
// Headers are in memory while the actor has its records; bodies are read when they can be delivered, or come
// straight from the sender when nothing is ahead. At most limits::kC2dWindowMessages messages and
// limits::kC2dWindowBytes bytes (one message at least) are with the connection. A lock ends by the clock on
// the wall, so that a shift of the hub's clock ends it too.
//
// Sends wait for their commit; settlements do not: losing one means one more delivery.
//
// Owner: a DeviceActor. Bound: limits::kC2dDepthMax messages.
class C2dQueue {
 public:
  explicit C2dQueue(DeviceHost& host);
  ~C2dQueue();
  C2dQueue(const C2dQueue&) = delete;
  C2dQueue& operator=(const C2dQueue&) = delete;

  // What the store holds; ignored when something is in memory already.
  void load(std::vector<C2dHeader> headers, std::uint64_t next_sequence);

  void send(SendC2d message);
  void settle(const SettleC2d& message);  // of the live connection's epoch
  void purge(PurgeC2d message);
  void expire();

  // The device's filter became live: with a connection that has it stored, or with its SUBACK. `created` now
  // means that older messages are treated by c2d.preSubscription (5.4).
  void on_subscribed(bool newly_created);
  // Nobody takes messages any more: UNSUBSCRIBE or the end of the connection. What is in flight returns.
  void on_link_ended();
  // The wall clock was shifted.
  void on_clock_shift();
  // The device was deleted, and its queue with it: forgets all.
  void on_erased();

  std::uint64_t size() const { return messages_.size(); }  // queued and in flight
  // No store operation in flight and no timer armed.
  bool is_quiet() const;
  // Forgets the headers; only when quiet.
  void unload();

 private:
  struct Message {
    C2dHeader header;
    std::optional<WallTime> locked_until;  // with the connection until then
  };

  DeviceHost& host_;
  bool loaded_ = false;
  std::uint64_t next_sequence_ = 1;
  std::deque<Message> messages_;  // by sequence
  std::size_t operations_ = 0;    // store operations in flight
  TimerId timer_{};
};

}  // namespace kyanite
