#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "server/hub/c2d_outcomes.h"
#include "server/hub/device_host.h"

namespace kyanite {

// C2dQueue is the durable queue of cloud-to-device messages of one device (spec device-mqtt.md 5,
// service-rest.md 8.3): enqueued, invisible while it is with the device, completed or dead.
//
// Headers are in memory while the actor has its records; bodies are read when they can be delivered, or come
// straight from the sender when nothing is ahead. At most limits::kC2dWindowMessages messages and
// limits::kC2dWindowBytes bytes (one message at least) are with the connection. A lock ends by the clock on
// the wall, so that a shift of the hub's clock ends it too; the message then goes out again on the same
// connection, until its time to live ends.
//
// A connection of AMQP is lent messages, as many as its receiver gave credit for. A lock that ends takes the
// message from it, so that a late outcome finds nothing. There is no subscription that would be younger than
// a message: whoever attaches gets what is queued.
//
// A device that polls over HTTPS leases one message at a time (service-rest.md 9.6): a leased message is with
// nobody else, and its lock ends by its own time. MQTT's window and its lock time are not concerned.
//
// Sends and purges wait for their commit, and so do settlements of leased messages, which the device gets an
// answer for; other settlements do not: losing one means one more delivery. That a
// message was sent is written down when it returns, or when it is with the device for half a second: most are
// acknowledged sooner and cost no write for it.
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

  // The message has passed check_c2d_message().
  void send(SendC2d message);
  void settle(SettleC2d message);  // of the live connection's epoch
  void allow(AllowC2d message);    // the same
  void lease(LeaseC2d message);
  void settle(SettleLease message);
  void purge(PurgeC2d message);
  // Queued and with the device, the oldest first.
  std::vector<QueuedC2d> list() const;
  void expire();

  // The device's filter became live: with a connection that has it stored, or with its SUBACK. `created` now
  // means that older messages are treated by c2d.preSubscription (5.4).
  void on_subscribed(bool newly_created);
  // The same for older messages where the filter was stored after its connection had ended.
  void on_created(WallTime created);
  // Nobody takes messages any more: UNSUBSCRIBE or the end of the connection. What is in flight returns.
  void on_link_ended();
  // The connection is gone, whether it took messages or not.
  void on_unbound();
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
  // With a device that polls.
  struct Lease {
    std::string lock;
    WallTime until;
    milliseconds time;
  };
  struct Message {
    C2dHeader header;
    std::optional<WallTime> locked_until;  // with the connection until then
    std::uint64_t lend = 0;                // the number of that delivery (LendC2d); 0 over MQTT
    bool resend = false;                   // its lock ended: due once more on the same connection
    bool unmarked = false;                 // was sent, and the store does not know
    std::optional<Lease> lease;            // then it is not with the connection
    bool is_due() const { return !lease && (!locked_until || resend); }
    bool is_free() const { return !lease && !locked_until; }
  };
  using Messages = std::deque<Message>;  // by sequence

  // Who takes messages now: the live connection's filter.
  const GrantedFilter* taker() const;
  bool lends() const;  // to a connection of AMQP
  Messages::iterator find(std::uint64_t sequence);
  bool has_room() const;
  bool fits_window(const C2dHeader& header) const;
  bool is_skipped(const C2dHeader& header, const GrantedFilter& filter) const;

  void on_appended(Message message, std::optional<C2dMessage> body);
  bool can_pass_straight(const C2dHeader& header) const;
  void insert(Message message);

  Messages::iterator find_lease(const std::string& lock);
  void on_lease_read(const std::string& lock, LeaseC2d message, Result<std::vector<C2dMessage>> read);
  // The message's lock ended by time or the link: gives it back or ends it; gives the next one.
  Messages::iterator return_late(Messages::iterator message, bool counts);
  // How long the message's lock goes on; nothing when it has none.
  std::optional<milliseconds> lock_left(const Message& message, WallTime now) const;

  // Delivers what can be delivered, reading bodies first.
  void pump();
  void answer_drained();
  void on_read(std::uint64_t from, std::uint64_t round, Result<std::vector<C2dMessage>> read);
  void deliver(Message& message, C2dMessage body, std::uint8_t qos);
  void lend(Message& message, C2dMessage body);

  // One message ends; gives the next one.
  Messages::iterator finish(Messages::iterator message, FeedbackStatus status);
  std::optional<FeedbackRecord> feedback_of(const C2dHeader& header, FeedbackStatus status) const;
  void withdraw(const Message& message);
  // One more failed delivery; true when that was the last one allowed.
  bool count_up(Message& message) const;
  // The message is with nobody any more; what the store does not know of it is written down.
  void give_back(Message& message);
  void drop_older(WallTime before);
  void bury_expired();
  void end_locks();
  void arm_timers();
  // Writes down that what is with the device for a while was sent.
  void mark_sent();
  void retry_later();

  DeviceHost& host_;
  bool loaded_ = false;
  std::uint64_t next_sequence_ = 1;
  Messages messages_;
  C2dOutcomes outcomes_;
  std::size_t operations_ = 0;  // store operations in flight, beside the outcomes
  std::size_t appending_ = 0;   // messages on their way into the queue
  std::size_t purging_ = 0;     // and out of it
  bool reading_ = false;
  std::uint64_t round_ = 0;  // grows when deliveries begin and end; a read of an older one is stale
  std::uint64_t life_ = 0;   // of the device
  std::uint64_t lent_ = 0;   // to the present connection of AMQP, and how many it has room for
  std::uint64_t lent_max_ = 0;
  std::vector<Reply<void>> drained_;  // for when nothing more can be lent
  // Messages sent before the subscription that began last, which may still be on their way to the store.
  std::uint64_t drop_below_ = 0;
  WallTime drop_before_ = kNever;
  TimerId lock_timer_{};
  SteadyTime lock_timer_at_{};
  TimerId mark_timer_{};
  TimerId retry_timer_{};
};

}  // namespace kyanite
