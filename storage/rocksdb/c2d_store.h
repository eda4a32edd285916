#pragma once

#include <string>
#include <vector>

#include "storage/c2d_store.h"
#include "storage/rocksdb/store_context.h"

namespace kyanite {

// RocksdbC2dStore keeps a message as a header, a body and a row in the index of expiries (format.md); all
// three come and go in one commit. Owner: RocksdbStores.
class RocksdbC2dStore final : public C2dStore {
 public:
  explicit RocksdbC2dStore(const StoreContext& context) : context_(context) {}
  void append(C2dMessage message, Reply<void> reply) override;
  void read(std::string device, std::uint64_t from, std::size_t max_messages, std::size_t max_bytes,
            Reply<std::vector<C2dMessage>> reply) override;
  void settle(C2dOutcome outcome, Reply<void> reply) override;
  void expired(WallTime now, std::size_t limit, Reply<std::vector<std::string>> reply) override;

 private:
  const StoreContext& context_;
};

// RocksdbFeedbackStore reads and empties the hub-wide queue. Owner: RocksdbStores.
class RocksdbFeedbackStore final : public FeedbackStore {
 public:
  explicit RocksdbFeedbackStore(const StoreContext& context) : context_(context) {}
  void read(std::uint64_t after, std::size_t limit, Reply<std::vector<FeedbackRecord>> reply) override;
  void erase(std::vector<std::uint64_t> sequences, Reply<void> reply) override;

 private:
  const StoreContext& context_;
};

// The next sequence of feedback: past every one ever given.
Result<std::uint64_t> read_next_feedback(Database& database);

}  // namespace kyanite
