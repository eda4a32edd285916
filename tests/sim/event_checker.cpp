#include "tests/sim/event_checker.h"

#include <algorithm>

#include "storage/record_codec.h"

namespace kyanite::sim {

void EventChecker::begins(std::uint64_t line, std::optional<std::uint64_t> from, std::uint64_t not_before) {
  lines_[line] = {from, not_before};
}

void EventChecker::received(std::uint64_t line, const ReadEvent& event, const MemoryState& state) {
  const std::string name = "event " + event.offset + " of partition " + std::to_string(event.partition);
  judge_.require(event.sequence >= 0 && std::to_string(event.sequence) == event.offset,
                 name + " has its number and its offset");
  judge_.require(event.partition < state.partitions.size(), name + " is of a partition");
  if (judge_.failed()) return;
  const auto number = static_cast<std::uint64_t>(event.sequence);
  Line& at = lines_[line];
  judge_.require(number >= at.not_before, name + " is newer than its reader, which wanted that");
  judge_.require(!at.next || *at.next == number,
                 name + " comes after " + std::to_string(at.next.value_or(0)) + ", once and none left out");
  at.next = number + 1;
  const MemoryState::Partition& log = state.partitions[event.partition];
  judge_.require(number >= log.begin && number < log.end(), name + " is stored before it is read");
  if (judge_.failed()) return;
  const auto stored = decode_telemetry(TelemetryOffset{number}, log.records[number - log.begin]);
  judge_.require(stored && stored->body == event.body && stored->sender.device == event.device,
                 name + " is read as it is stored");
}

// Two programs may deal with the same events, but nobody goes back.
void EventChecker::keep(std::uint64_t line, std::uint32_t partition) {
  const auto known = lines_.find(line);
  if (known == lines_.end() || !known->second.next) return;
  std::uint64_t& checkpoint = checkpoints_[partition];
  checkpoint = std::max(checkpoint, *known->second.next);
}

void EventChecker::finish(const MemoryState& state) {
  for (std::uint32_t p = 0; p < state.partitions.size(); ++p) {
    judge_.require(checkpoints_[p] == state.partitions[p].end(),
                   "a reader has read all of partition " + std::to_string(p) + ": " +
                       std::to_string(checkpoints_[p]) + " of " + std::to_string(state.partitions[p].end()));
  }
}

}  // namespace kyanite::sim
