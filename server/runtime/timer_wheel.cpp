#include "server/runtime/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace kyanite {

TimerWheel::TimerWheel(SteadyTime start) : start_(start) {}

TimerId TimerWheel::add(SteadyTime now, milliseconds delay, Task task) {
  if (size_ == 0) current_tick_ = std::max(current_tick_, tick_at(now, false));

  std::uint32_t index = free_head_;
  if (index == kNone) {
    index = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    free_head_ = entries_[index].next;
  }
  Entry& entry = entries_[index];
  entry.task = std::move(task);
  entry.due_tick = std::max(tick_at(now + std::max(delay, milliseconds{0}), true), current_tick_ + 1);
  place(index);
  ++size_;
  return TimerId{(std::uint64_t{entry.generation} << 32) | (std::uint64_t{index} + 1)};
}

bool TimerWheel::cancel(TimerId timer) {
  if (!timer) return false;
  const std::uint64_t index = (timer.value & UINT32_MAX) - 1;
  if (index >= entries_.size()) return false;
  const auto slot = static_cast<std::uint32_t>(index);
  Entry& entry = entries_[slot];
  if (entry.list == kNone || entry.generation != timer.value >> 32) return false;
  const Task dropped = std::move(entry.task);  // destroyed last: its destructor may come back to the wheel
  remove(slot);
  free_entry(slot);
  return true;
}

std::optional<Task> TimerWheel::pop_due(SteadyTime now) {
  const std::uint64_t target = tick_at(now, false);
  while (lists_[kDueList].head == kNone) {
    const std::optional<std::uint64_t> next = next_tick();
    if (!next || *next > target) {
      current_tick_ = std::max(current_tick_, target);
      return std::nullopt;
    }
    enter_tick(*next);
  }
  const std::uint32_t index = lists_[kDueList].head;
  Task task = std::move(entries_[index].task);
  remove(index);
  free_entry(index);
  return task;
}

std::optional<SteadyTime> TimerWheel::next_due() const {
  if (size_ == 0) return std::nullopt;
  if (lists_[kDueList].head != kNone) return start_ + kTick * current_tick_;
  return start_ + kTick * *next_tick();
}

void TimerWheel::clear() {
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].list == kNone) continue;
    const Task dropped = std::move(entries_[i].task);
    remove(i);
    free_entry(i);
  }
}

std::uint64_t TimerWheel::tick_at(SteadyTime time, bool round_up) const {
  if (time <= start_) return 0;
  const auto since = time - start_;
  const auto ticks = since / kTick;
  const bool partial = round_up && since % kTick != SteadyTime::duration::zero();
  return static_cast<std::uint64_t>(ticks) + (partial ? 1 : 0);
}

// The first tick after the current one that has a slot to handle on any level.
std::optional<std::uint64_t> TimerWheel::next_tick() const {
  std::optional<std::uint64_t> first;
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = level * kSlotBits;
    const std::uint64_t position = current_tick_ >> shift;
    for (unsigned distance = 1; distance <= kSlots;) {
      const auto slot = static_cast<unsigned>((position + distance) % kSlots);
      const std::uint64_t word = occupied_[level][slot / 64] >> (slot % 64);
      if (word == 0) {
        distance += 64 - slot % 64;
        continue;
      }
      distance += static_cast<unsigned>(std::countr_zero(word));
      if (distance > kSlots) break;
      const std::uint64_t tick = (position + distance) << shift;
      first = first ? std::min(*first, tick) : tick;
      break;
    }
  }
  return first;
}

// Puts an entry into the list for its due tick, as seen from the current tick.
void TimerWheel::place(std::uint32_t index) {
  const std::uint64_t due = entries_[index].due_tick;
  // Beyond the top level (497 days) it waits in the last slot and is placed again when that comes round.
  const std::uint64_t horizon = current_tick_ + ((std::uint64_t{1} << (kLevels * kSlotBits)) - 1);
  const std::uint64_t tick = std::min(due, horizon);
  unsigned level = 0;
  while (level + 1 < kLevels && tick - current_tick_ >= std::uint64_t{1} << ((level + 1) * kSlotBits))
    ++level;
  const auto slot = static_cast<unsigned>((tick >> (level * kSlotBits)) % kSlots);
  append(level * kSlots + slot, index);
  occupied_[level][slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void TimerWheel::append(unsigned list, std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.list = list;
  entry.previous = lists_[list].tail;
  entry.next = kNone;
  if (entry.previous == kNone) {
    lists_[list].head = index;
  } else {
    entries_[entry.previous].next = index;
  }
  lists_[list].tail = index;
}

void TimerWheel::remove(std::uint32_t index) {
  const Entry& entry = entries_[index];
  List& list = lists_[entry.list];
  (entry.previous == kNone ? list.head : entries_[entry.previous].next) = entry.next;
  (entry.next == kNone ? list.tail : entries_[entry.next].previous) = entry.previous;
  if (list.head == kNone && entry.list != kDueList) {
    const unsigned slot = entry.list % kSlots;
    occupied_[entry.list / kSlots][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  }
}

void TimerWheel::enter_tick(std::uint64_t tick) {
  current_tick_ = tick;
  // Higher levels first: what leaves one may belong into the slot of the level below that opens now.
  for (unsigned level = kLevels - 1; level > 0; --level) {
    const unsigned shift = level * kSlotBits;
    if ((tick & ((std::uint64_t{1} << shift) - 1)) == 0) {
      redistribute(level * kSlots + static_cast<unsigned>((tick >> shift) % kSlots));
    }
  }
  const auto slot = static_cast<unsigned>(tick % kSlots);
  while (lists_[slot].head != kNone) {
    const std::uint32_t index = lists_[slot].head;
    remove(index);
    append(kDueList, index);
  }
}

void TimerWheel::redistribute(unsigned list) {
  const List old = std::exchange(lists_[list], List{});
  const unsigned slot = list % kSlots;
  occupied_[list / kSlots][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  for (std::uint32_t index = old.head; index != kNone;) {
    const std::uint32_t next = entries_[index].next;
    place(index);
    index = next;
  }
}

void TimerWheel::free_entry(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.list = kNone;
  entry.next = free_head_;
  ++entry.generation;
  free_head_ = index;
  --size_;
}

}  // namespace kyanite
