#pragma once

#include <string>
#include <vector>

#include "storage/memory/memory_stores.h"

namespace kyanite {

// The identity and hub stores over MemoryState. Owner: MemoryStores.
class MemoryIdentityStore final : public IdentityStore {
 public:
  explicit MemoryIdentityStore(MemoryStores& stores) : stores_(stores) {}
  void load(std::string device, Reply<DeviceRecords> reply) override;
  void commit(IdentityChange change, Reply<void> reply) override;
  void scan(std::string after, std::size_t limit, Reply<std::vector<IdentityRecord>> reply) override;
  void counts(Reply<IdentityCounts> reply) override;

 private:
  MemoryStores& stores_;
};

class MemoryHubStore final : public HubStore {
 public:
  explicit MemoryHubStore(MemoryStores& stores) : stores_(stores) {}
  void load(Reply<HubRecords> reply) override;
  void put_policies(std::vector<AccessPolicy> policies, Reply<void> reply) override;
  void put_ca_certificate(CaCertificateRecord record, Reply<void> reply) override;
  void erase_ca_certificate(std::string name, Reply<void> reply) override;

 private:
  MemoryStores& stores_;
};

}  // namespace kyanite
