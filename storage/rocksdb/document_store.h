#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/document_store.h"
#include "storage/rocksdb/store_context.h"

namespace kyanite {

// RocksdbDocumentStore keeps the documents of all collections in the family "document". Owner: RocksdbStores.
class RocksdbDocumentStore final : public DocumentStore {
 public:
  explicit RocksdbDocumentStore(const StoreContext& context) : context_(context) {}
  void load(Collection collection, std::string key, Reply<std::optional<std::string>> reply) override;
  void scan(Collection collection, std::string prefix, std::string after, std::size_t limit,
            Reply<std::vector<Document>> reply) override;
  void commit(DocumentChange change, Reply<void> reply) override;

 private:
  const StoreContext& context_;
};

}  // namespace kyanite
