#include "storage/rocksdb/document_store.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

Result<std::vector<Document>> read_page(Database& database, const std::string& prefix,
                                        const std::string& after, std::size_t limit) {
  std::vector<Document> page;
  std::size_t bytes = 0;
  const std::unique_ptr<rocksdb::Iterator> row(
      database.db().NewIterator(rocksdb::ReadOptions(), database.document()));
  row->Seek(std::max(prefix, after));
  if (row->Valid() && row->key() == after) row->Next();
  for (; row->Valid() && page.size() < limit && bytes < kDocumentPageBytes; row->Next()) {
    if (!row->key().starts_with(prefix)) break;
    page.push_back({row->key().ToString().substr(1), row->value().ToString()});
    bytes += page.back().key.size() + page.back().value.size();
  }
  if (!row->status().ok()) return storage_error("reading documents", row->status());
  return page;
}

}  // namespace

void RocksdbDocumentStore::load(Collection collection, std::string key,
                                Reply<std::optional<std::string>> reply) {
  context_.readers.run<std::optional<std::string>>(
      std::move(reply),
      [this, row = keys::of_document(collection, key)]() -> Result<std::optional<std::string>> {
        std::string value;
        const auto status =
            context_.database.db().Get(rocksdb::ReadOptions(), context_.database.document(), row, &value);
        if (status.IsNotFound()) return std::optional<std::string>();
        if (!status.ok()) return storage_error("reading a document", status);
        return std::optional<std::string>(std::move(value));
      });
}

void RocksdbDocumentStore::scan(Collection collection, std::string prefix, std::string after,
                                std::size_t limit, Reply<std::vector<Document>> reply) {
  context_.readers.run<std::vector<Document>>(
      std::move(reply), [this, limit, prefix = keys::of_document(collection, prefix),
                         after = after.empty() ? std::string() : keys::of_document(collection, after)] {
        return read_page(context_.database, prefix, after, limit);
      });
}

void RocksdbDocumentStore::commit(DocumentChange change, Reply<void> reply) {
  std::size_t bytes = kStepBytes;
  for (const DocumentPut& put : change.puts) bytes += put.key.size() + put.value.size();
  for (const DocumentErase& erase : change.erases) bytes += erase.key.size();
  const bool makes_room = change.puts.empty();
  StoreStep step = [change = std::move(change)](StagedGroup& group) -> Result<void> {
    rocksdb::ColumnFamilyHandle* const family = group.database().document();
    for (const DocumentPut& put : change.puts) {
      group.batch().Put(family, keys::of_document(put.collection, put.key), put.value);
    }
    for (const DocumentErase& erase : change.erases) {
      group.batch().Delete(family, keys::of_document(erase.collection, erase.key));
    }
    return {};
  };
  if (makes_room) return context_.make_room(std::move(step), bytes, std::move(reply));
  context_.write(std::move(step), bytes, std::move(reply));
}

}  // namespace kyanite
