#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "storage/records.h"

namespace kyanite {

// How one cloud-to-device message ended.
struct C2dEnd {
  std::string device;
  std::string generation_id;  // of the device: a later one of its id has not had this message
  std::string message_id;     // as feedback names it
  WallTime enqueued = kNever;
  WallTime ended = kNever;
  FeedbackStatus status = FeedbackStatus::success;
  std::uint32_t delivery_count = 0;  // times that it was given back before
};

// C2dJournal remembers the latest ends of messages to the devices of one shard, whether or not their senders
// asked for feedback, for people who look: reading takes nothing from the feedback queue. What is here may be
// told before the store has it, and a new start forgets all.
//
// Owner: its shard's DeviceDirectory; all calls there. Bound: `entries_max`, the oldest go.
class C2dJournal {
 public:
  explicit C2dJournal(std::size_t entries_max) : entries_max_(entries_max) {}

  void add(C2dEnd end);
  // Those of one device, the newest first, at most `limit`.
  std::vector<C2dEnd> of(std::string_view device, std::string_view generation_id, std::size_t limit) const;

 private:
  std::size_t entries_max_;
  std::deque<C2dEnd> ends_;  // the newest last
};

}  // namespace kyanite
