#include "tests/sim/telemetry_checker.h"

#include <charconv>

#include "storage/record_codec.h"

namespace kyanite::sim {

std::uint64_t number_of(std::string_view text, char kind) {
  if (text.empty() || text.front() != kind) return 0;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

std::string name_of(const Identity& id) { return id.is_module() ? id.device + "/" + id.module : id.device; }

void TelemetryChecker::sent(std::uint64_t number, const Identity& sender, std::uint64_t connection) {
  messages_[number] = {sender, connection};
}

void TelemetryChecker::acknowledged(std::uint64_t number) {
  Message& message = messages_[number];
  message.acknowledged = true;
  judge_.require(message.times == 1,
                 "telemetry t" + std::to_string(number) + " is in the log when it is acknowledged");
}

void TelemetryChecker::will_set(std::uint64_t number, const Identity& sender) { wills_[number] = {sender}; }

void TelemetryChecker::on_commit(const MemoryState& state) {
  seen_.resize(state.partitions.size());
  for (std::uint32_t p = 0; p < state.partitions.size(); ++p) {
    const MemoryState::Partition& partition = state.partitions[p];
    for (; seen_[p] < partition.end(); ++seen_[p]) {
      const std::string& bytes = partition.records[seen_[p] - partition.begin];
      const auto record = decode_telemetry(TelemetryOffset{seen_[p]}, bytes);
      judge_.require(record.has_value(), "a record of the log can be read");
      if (record) on_record(p, *record);
    }
  }
}

void TelemetryChecker::on_record(std::uint32_t partition, const TelemetryRecord& record) {
  if (record.source != MessageSource::telemetry) return;
  const auto [place, is_first] = partition_of_.emplace(record.sender.device, partition);
  judge_.require(is_first || place->second == partition,
                 "all telemetry of " + record.sender.device + " is in one partition");
  if (const std::uint64_t number = number_of(record.body, 'w'); number != 0) {
    const auto will = wills_.find(number);
    judge_.require(will != wills_.end(), "the log holds only wills that were set: " + record.body);
    if (will == wills_.end()) return;
    judge_.require(!will->second.fired, "a will fires once: " + record.body);
    judge_.require(will->second.sender == record.sender, "a will has its sender: " + record.body);
    will->second.fired = true;
    return;
  }
  const auto message = messages_.find(number_of(record.body, 't'));
  judge_.require(message != messages_.end(), "the log holds only what was sent: " + record.body);
  if (message == messages_.end()) return;
  judge_.require(message->second.sender == record.sender, "a record has its sender: " + record.body);
  judge_.require(++message->second.times == 1, "a message is in the log once: " + record.body);
  std::uint64_t& newest = newest_[message->second.connection];
  judge_.require(newest < message->first, "telemetry of a connection keeps its order: " + record.body);
  newest = message->first;
}

void TelemetryChecker::finish(const MemoryState& state) {
  std::set<std::uint64_t> kept;
  for (const MemoryState::Partition& partition : state.partitions) {
    for (std::size_t i = 0; i < partition.records.size(); ++i) {
      const auto record = decode_telemetry(TelemetryOffset{partition.begin + i}, partition.records[i]);
      if (record && record->source == MessageSource::telemetry) kept.insert(number_of(record->body, 't'));
    }
  }
  for (const auto& [first, last] : batches_) {
    for (std::uint64_t number = first; number <= last; ++number) {
      judge_.require(messages_[number].times == messages_[first].times,
                     "t" + std::to_string(number) + " is in the log if t" + std::to_string(first) + " is");
    }
  }
  for (const auto& [number, message] : messages_) {
    judge_.require(!message.acknowledged || kept.contains(number),
                   "acknowledged telemetry t" + std::to_string(number) + " is kept");
  }
}

}  // namespace kyanite::sim
