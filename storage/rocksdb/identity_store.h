#pragma once

#include <string>
#include <vector>

#include "storage/identity_store.h"
#include "storage/rocksdb/store_context.h"

namespace kyanite {

// RocksdbIdentityStore keeps identities, and erases with them the rows that other families hold under their
// keys. The commit thread compares etags against the committed and the staged state, so a change that lost a
// race is refused as a whole.
class RocksdbIdentityStore final : public IdentityStore {
 public:
  explicit RocksdbIdentityStore(const StoreContext& context) : context_(context) {}
  void load(std::string device, Reply<DeviceRecords> reply) override;
  void commit(IdentityChange change, Reply<void> reply) override;
  void scan(std::string after, std::size_t limit, Reply<std::vector<IdentityRecord>> reply) override;
  void counts(Reply<IdentityCounts> reply) override;

 private:
  const StoreContext& context_;
};

// About what the change takes in the queue and in the batch.
std::size_t estimated_bytes(const IdentityChange& change);
// Adds a change to the group and takes its events, or refuses it as a whole.
Result<void> stage_identity_change(StagedGroup& group, IdentityChange& change);
// The persisted counts; all zero before the first identity.
Result<IdentityCounts> read_counts(Database& database);

}  // namespace kyanite
