#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/time.h"
#include "protocol/base/unique_function.h"

namespace kyanite {

// TimerWheel holds the timers of one shard and knows neither clock nor loop: its owner says what time it is.
//
// Four levels of 256 slots; a tick is 10 ms, so a timer is in the lowest level for its last 2.5 seconds and
// moves down at most three times. add and cancel are O(1); an idle wheel costs nothing, because next_due()
// names the one moment at which something must be done. Owner: its shard. Bound: one entry per pending timer;
// those who arm timers are bounded themselves.
class TimerWheel {
 public:
  static constexpr milliseconds kTick{10};

  explicit TimerWheel(SteadyTime start);

  // The task becomes due at the first tick at least `delay` after now; never at once.
  TimerId add(SteadyTime now, milliseconds delay, Task task);
  // True when the timer was pending (its task is destroyed); one that ran or never was is ignored.
  bool cancel(TimerId timer);

  // Takes the next task that is due at `now`, in order of due ticks; nothing when none is. Call until empty:
  // tasks may add and cancel timers in between.
  std::optional<Task> pop_due(SteadyTime now);

  // When pop_due must be called again: the next expiry or the next move between levels. Nothing when empty.
  std::optional<SteadyTime> next_due() const;

  std::size_t size() const { return size_; }
  void clear();

 private:
  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kSlotBits = 8;
  static constexpr unsigned kSlots = 1U << kSlotBits;
  static constexpr unsigned kDueList = kLevels * kSlots;  // the list of entries whose tick has come
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Entry {
    Task task;
    std::uint64_t due_tick = 0;
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    std::uint32_t generation = 0;
    std::uint32_t list = kNone;  // kNone: free
  };
  struct List {
    std::uint32_t head = kNone;
    std::uint32_t tail = kNone;
  };

  std::uint64_t tick_at(SteadyTime time, bool round_up) const;
  std::optional<std::uint64_t> next_tick() const;
  void place(std::uint32_t index);
  void append(unsigned list, std::uint32_t index);
  void remove(std::uint32_t index);
  void enter_tick(std::uint64_t tick);
  void redistribute(unsigned list);
  void free_entry(std::uint32_t index);

  const SteadyTime start_;
  std::uint64_t current_tick_ = 0;  // everything due up to here is in the due list or gone
  std::vector<Entry> entries_;
  std::uint32_t free_head_ = kNone;
  std::size_t size_ = 0;
  std::array<List, kDueList + 1> lists_;
  std::array<std::array<std::uint64_t, kSlots / 64>, kLevels> occupied_{};  // one bit a slot
};

}  // namespace kyanite
