#pragma once

#include "storage/memory/memory_stores.h"

namespace kyanite {

// Documents over MemoryState. Owner: MemoryStores.
class MemoryDocumentStore final : public DocumentStore {
 public:
  explicit MemoryDocumentStore(MemoryStores& stores) : stores_(stores) {}
  void load(Collection collection, std::string key, Reply<std::optional<std::string>> reply) override;
  void scan(Collection collection, std::string prefix, std::string after, std::size_t limit,
            Reply<std::vector<Document>> reply) override;
  void commit(DocumentChange change, Reply<void> reply) override;

 private:
  MemoryStores& stores_;
};

}  // namespace kyanite
