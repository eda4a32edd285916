#pragma once

#include <string>
#include <vector>

#include "storage/identity_store.h"
#include "storage/rocksdb/commit_queue.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/read_pool.h"

namespace kyanite {

// What the typed stores share. Owner: RocksdbStores.
struct StoreContext {
  Database& database;
  CommitQueue& queue;
  ReadPool& readers;
  const PressureGauge& gauge;

  // Submits a step of the control path; under pressure it is refused as busy before it takes a place.
  void write(StoreStep step, std::size_t bytes, Reply<void> reply) const;
};

// RocksdbIdentityStore keeps identities and twins in two families with the same keys. The commit thread
// compares etags against the committed and the staged state, so a change that lost a race is refused as a
// whole.
class RocksdbIdentityStore final : public IdentityStore {
 public:
  explicit RocksdbIdentityStore(const StoreContext& context) : context_(context) {}
  void load(std::string device, Reply<DeviceRecords> reply) override;
  void load_twin(Identity id, Reply<TwinRecord> reply) override;
  void commit(IdentityChange change, Reply<void> reply) override;
  void scan(std::string after, std::size_t limit, Reply<std::vector<IdentityRecord>> reply) override;
  void counts(Reply<IdentityCounts> reply) override;

 private:
  const StoreContext& context_;
};

// About what the change takes in the queue and in the batch.
std::size_t estimated_bytes(const IdentityChange& change);
// Adds a change to the group, or refuses it as a whole.
Result<void> stage_identity_change(StagedGroup& group, const IdentityChange& change);
// The persisted counts; all zero before the first identity.
Result<IdentityCounts> read_counts(Database& database);

}  // namespace kyanite
