#pragma once

#include <string>
#include <vector>

#include "storage/memory/memory_stores.h"

namespace kyanite {

// The queues of cloud-to-device messages and of their feedback over MemoryState. Owner: MemoryStores.
class MemoryC2dStore final : public C2dStore {
 public:
  explicit MemoryC2dStore(MemoryStores& stores) : stores_(stores) {}
  void append(C2dMessage message, Reply<void> reply) override;
  void read(std::string device, std::uint64_t from, std::size_t max_messages, std::size_t max_bytes,
            Reply<std::vector<C2dMessage>> reply) override;
  void settle(C2dOutcome outcome, Reply<void> reply) override;
  void expired(WallTime now, std::size_t limit, Reply<std::vector<std::string>> reply) override;

 private:
  MemoryStores& stores_;
};

class MemoryFeedbackStore final : public FeedbackStore {
 public:
  explicit MemoryFeedbackStore(MemoryStores& stores) : stores_(stores) {}
  void read(std::uint64_t after, std::size_t limit, Reply<std::vector<FeedbackRecord>> reply) override;
  void erase(std::vector<std::uint64_t> sequences, Reply<void> reply) override;

 private:
  MemoryStores& stores_;
};

}  // namespace kyanite
