#pragma once

#include "storage/rocksdb/store_context.h"
#include "storage/session_store.h"
#include "storage/twin_store.h"

namespace kyanite {

// RocksdbTwinStore keeps twins under the keys of their identities. The commit thread compares versions
// against the committed and the staged state. Owner: RocksdbStores.
class RocksdbTwinStore final : public TwinStore {
 public:
  explicit RocksdbTwinStore(const StoreContext& context) : context_(context) {}
  void load(Identity id, Reply<TwinRecord> reply) override;
  void put(TwinWrite write, Reply<void> reply) override;
  void scan(IdentityScan scan, Reply<IdentityScanned> reply) override;

 private:
  const StoreContext& context_;
};

// RocksdbSessionStore writes sessions; IdentityStore::load reads them. Owner: RocksdbStores.
class RocksdbSessionStore final : public SessionStore {
 public:
  explicit RocksdbSessionStore(const StoreContext& context) : context_(context) {}
  void put(SessionRecord session, Reply<void> reply) override;

 private:
  const StoreContext& context_;
};

}  // namespace kyanite
