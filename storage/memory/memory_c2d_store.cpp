#include "storage/memory/memory_c2d_store.h"

#include <algorithm>
#include <utility>

namespace kyanite {

void MemoryC2dStore::append(C2dMessage message, Reply<void> reply) {
  stores_.write([message = std::move(message)](MemoryState& state) { return state.apply(message); },
                std::move(reply));
}

void MemoryC2dStore::read(std::string device, std::uint64_t from, std::size_t max_messages,
                          std::size_t max_bytes, Reply<std::vector<C2dMessage>> reply) {
  std::vector<C2dMessage> page;
  const auto& queues = stores_.state_.c2d;
  if (const auto queue = queues.find(device); queue != queues.end()) {
    const auto& messages = queue->second.messages;
    std::size_t bytes = 0;
    for (auto at = messages.lower_bound(from); at != messages.end() && page.size() < max_messages; ++at) {
      bytes += c2d_page_bytes(at->second);
      if (bytes > max_bytes && !page.empty()) break;
      page.push_back(at->second);
    }
  }
  reply(std::move(page));
}

void MemoryC2dStore::settle(C2dOutcome outcome, Reply<void> reply) {
  stores_.write([outcome = std::move(outcome)](MemoryState& state) { return state.apply(outcome); },
                std::move(reply), {}, MemoryStores::Kind::makes_room);
}

void MemoryC2dStore::expired(WallTime now, std::size_t limit, Reply<std::vector<std::string>> reply) {
  std::vector<std::pair<WallTime, std::string>> due;  // each device once, by its message expired longest
  for (const auto& [device, queue] : stores_.state_.c2d) {
    WallTime earliest = WallTime::max();
    for (const auto& [sequence, message] : queue.messages)
      earliest = std::min(earliest, message.header.expiry);
    if (!queue.messages.empty() && earliest <= now) due.emplace_back(earliest, device);
  }
  std::sort(due.begin(), due.end());
  if (due.size() > limit) due.resize(limit);
  std::vector<std::string> devices;
  for (auto& [expiry, device] : due) devices.push_back(std::move(device));
  reply(std::move(devices));
}

void MemoryFeedbackStore::read(std::uint64_t after, std::size_t limit,
                               Reply<std::vector<FeedbackRecord>> reply) {
  std::vector<FeedbackRecord> page;
  const auto& feedback = stores_.state_.feedback;
  for (auto at = feedback.upper_bound(after); at != feedback.end() && page.size() < limit; ++at) {
    page.push_back(at->second);
  }
  reply(std::move(page));
}

void MemoryFeedbackStore::erase(std::vector<std::uint64_t> sequences, Reply<void> reply) {
  stores_.write(
      [sequences = std::move(sequences)](MemoryState& state) -> Result<void> {
        for (const std::uint64_t sequence : sequences) state.feedback.erase(sequence);
        return {};
      },
      std::move(reply), {}, MemoryStores::Kind::makes_room);
}

}  // namespace kyanite
