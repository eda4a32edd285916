#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/memory/memory_state.h"
#include "tests/sim/judge.h"

namespace kyanite::sim {

// An event as a reader got it.
struct ReadEvent {
  std::uint32_t partition = 0;
  std::int64_t sequence = -1;
  std::string offset;
  std::string device;
  std::string body;
};

// Readers of events: each gets the events of the log as they are stored, none before it is stored, each once
// and in order from where it began, none left out. Programs that share a checkpoint begin there, so that
// together they have read the whole log.
class EventChecker {
 public:
  explicit EventChecker(Judge& judge) : judge_(judge) {}

  // Where a program that reads a partition goes on: the number of the first event it has not dealt with.
  std::uint64_t checkpoint(std::uint32_t partition) { return checkpoints_[partition]; }
  // `line` names a link. Without `from` it reads what is new: nothing before `not_before`.
  void begins(std::uint64_t line, std::optional<std::uint64_t> from, std::uint64_t not_before);
  void received(std::uint64_t line, const ReadEvent& event, const MemoryState& state);
  // The program has dealt with all that it received on the line, and says so.
  void keep(std::uint64_t line, std::uint32_t partition);
  // At the end, when the readers had time.
  void finish(const MemoryState& state);

 private:
  struct Line {
    std::optional<std::uint64_t> next;
    std::uint64_t not_before = 0;
  };

  Judge& judge_;
  std::map<std::uint64_t, Line> lines_;
  std::map<std::uint32_t, std::uint64_t> checkpoints_;
};

}  // namespace kyanite::sim
