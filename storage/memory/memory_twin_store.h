#pragma once

#include "storage/memory/memory_stores.h"

namespace kyanite {

// Twins and sessions over MemoryState. Owner: MemoryStores.
class MemoryTwinStore final : public TwinStore {
 public:
  explicit MemoryTwinStore(MemoryStores& stores) : stores_(stores) {}
  void load(Identity id, Reply<TwinRecord> reply) override;
  void put(TwinWrite write, Reply<void> reply) override;
  void scan(IdentityScan scan, Reply<IdentityScanned> reply) override;

 private:
  MemoryStores& stores_;
};

class MemorySessionStore final : public SessionStore {
 public:
  explicit MemorySessionStore(MemoryStores& stores) : stores_(stores) {}
  void put(SessionRecord session, Reply<void> reply) override;

 private:
  MemoryStores& stores_;
};

}  // namespace kyanite
