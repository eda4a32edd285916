#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "storage/memory/memory_state.h"
#include "tests/sim/judge.h"

namespace kyanite::sim {

// Cloud-to-device messages: each accepted one is in the queue until it ends, once, for a reason that was
// there, with the feedback its sender asked for; it reaches only its own device, in order, and not after the
// device completed it. Bodies and message ids are "c<number>".
class C2dChecker {
 public:
  C2dChecker(Judge& judge, seconds default_ttl) : judge_(judge), default_ttl_(default_ttl) {}

  void sent(std::uint64_t number, const std::string& device, AckRequest ack, std::optional<WallTime> expiry);
  void answered(std::uint64_t number, int status);
  void purge_requested(const std::string& device) { ++excuses_[device].purges; }
  // May drop messages that are older than the subscription.
  void subscribed(const std::string& device) { ++excuses_[device].subscriptions; }
  // Lost connections and locks may count as deliveries.
  void count_deliveries() { counts_deliveries_ = true; }
  // So many deliveries end a message.
  void deliveries_are_at_most(std::uint32_t count) { deliveries_max_ = count; }
  void wall_is(WallTime wall) { latest_wall_ = std::max(latest_wall_, wall); }

  // So long a message is with a device that settles nothing.
  void locks_last(seconds time) { lock_time_ = time; }

  // The hub wrote it to a connection, at QoS 0 or 1; or to a link of AMQP, to which it was lent.
  enum class Way : std::uint8_t { qos0, qos1, lent };
  void written(const std::string& body, const Identity& to, std::uint64_t connection, Way way,
               SteadyTime now);
  void acknowledged_by_device(std::uint64_t number) { sends_[number].device_acknowledged = true; }
  void rejected_by_device(std::uint64_t number) { sends_[number].device_rejected = true; }
  void abandoned_by_device(std::uint64_t number) { ++sends_[number].abandoned; }
  // The hub told a device that the message is completed or dead, as it asked.
  void settlement_confirmed(std::uint64_t number);
  void on_commit(const MemoryState& state, SteadyTime now);

  // Feedback as a receiver got it, and the end of its lock by completion.
  void feedback_received(const std::string& message_id, const std::string& status, SteadyTime now);
  void feedback_completed(const std::string& message_id, SteadyTime now);

  void finish(const MemoryState& state);

 private:
  struct Send {
    std::string device;
    AckRequest ack = AckRequest::none;
    std::optional<WallTime> expiry{};
    WallTime sent_at{};
    bool refused = false;
    bool accepted = false;
    bool appended = false;
    bool ended = false;
    bool device_erased = false;        // before it was seen in a queue
    bool device_acknowledged = false;  // or written at QoS 0
    bool device_rejected = false;
    std::uint32_t abandoned = 0;  // times
    std::uint64_t sequence = 0;
    SteadyTime ended_at{};
    std::optional<FeedbackStatus> feedback{};
    bool feedback_completed = false;
    SteadyTime feedback_completed_at{};
  };
  struct Excuses {
    std::size_t purges = 0;
    std::size_t subscriptions = 0;
  };
  struct Queue {
    std::string generation;
    std::uint64_t newest = 0;
    std::map<std::uint64_t, std::uint64_t> messages;  // number by sequence
  };
  struct Line {  // what a connection was given
    std::uint64_t newest = 0;
    std::map<std::uint64_t, std::uint64_t> written;  // times by sequence
  };

  void on_end(std::uint64_t number, bool with_its_device, SteadyTime now);
  void check_bound(const std::string& device, const std::map<std::uint64_t, C2dMessage>& messages);
  bool may_have_expired(const Send& send) const;
  bool may_be_exceeded(const Send& send) const;
  void on_feedback(const FeedbackRecord& record);

  Judge& judge_;
  seconds default_ttl_;
  bool counts_deliveries_ = false;
  std::uint32_t deliveries_max_ = 0;
  seconds lock_time_{0};
  WallTime latest_wall_{};
  std::map<std::uint64_t, Send> sends_;
  std::map<std::string, Queue> queues_;
  std::map<std::string, Excuses> excuses_;
  std::map<std::uint64_t, Line> lines_;  // by connection
  std::uint64_t newest_feedback_ = 0;
};

}  // namespace kyanite::sim
