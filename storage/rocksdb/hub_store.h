#pragma once

#include <string>
#include <vector>

#include "storage/hub_store.h"
#include "storage/rocksdb/store_context.h"

namespace kyanite {

// RocksdbHubStore keeps the hub-wide records in the family "hub", the hub id in "default". Owner:
// RocksdbStores.
class RocksdbHubStore final : public HubStore {
 public:
  explicit RocksdbHubStore(const StoreContext& context) : context_(context) {}
  void load(Reply<HubRecords> reply) override;
  void put_policies(std::vector<AccessPolicy> policies, Reply<void> reply) override;
  void put_ca_certificate(CaCertificateRecord record, Reply<void> reply) override;
  void erase_ca_certificate(std::string name, Reply<void> reply) override;

 private:
  const StoreContext& context_;
};

// Counts an opening of the store, durably: the number is never told twice.
Result<void> count_start(Database& database);

}  // namespace kyanite
