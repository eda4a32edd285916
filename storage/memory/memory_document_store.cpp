#include "storage/memory/memory_document_store.h"

#include <utility>

namespace kyanite {

void MemoryDocumentStore::load(Collection collection, std::string key,
                               Reply<std::optional<std::string>> reply) {
  if (stores_.refuses_read()) return reply(Error(Errc::busy, "the storage readers have too much to do"));
  const auto& documents = stores_.state_.documents;
  const auto row = documents.find({collection, key});
  reply(row == documents.end() ? std::optional<std::string>() : std::optional<std::string>(row->second));
}

void MemoryDocumentStore::scan(Collection collection, std::string prefix, std::string after,
                               std::size_t limit, Reply<std::vector<Document>> reply) {
  if (stores_.refuses_read()) return reply(Error(Errc::busy, "the storage readers have too much to do"));
  const auto& documents = stores_.state_.documents;
  std::vector<Document> page;
  std::size_t bytes = 0;
  auto row = after < prefix ? documents.lower_bound({collection, prefix})
                            : (after.empty() ? documents.lower_bound({collection, after})
                                             : documents.upper_bound({collection, after}));
  for (; row != documents.end() && row->first.first == collection && row->first.second.starts_with(prefix);
       ++row) {
    if (page.size() >= limit || bytes >= kDocumentPageBytes) break;
    page.push_back({row->first.second, row->second});
    bytes += page.back().key.size() + page.back().value.size();
  }
  if (stores_.faults.document_scan_takes == milliseconds::zero()) return reply(std::move(page));
  stores_.home_.after(
      stores_.faults.document_scan_takes,
      [page = std::move(page), reply = std::move(reply)]() mutable { reply(std::move(page)); });
}

void MemoryDocumentStore::commit(DocumentChange change, Reply<void> reply) {
  const auto kind = change.puts.empty() ? MemoryStores::Kind::makes_room : MemoryStores::Kind::fills;
  stores_.write(
      [change = std::move(change)](MemoryState& state) -> Result<void> {
        for (const DocumentPut& put : change.puts) state.documents[{put.collection, put.key}] = put.value;
        for (const DocumentErase& erase : change.erases) state.documents.erase({erase.collection, erase.key});
        return {};
      },
      std::move(reply), {}, kind);
}

}  // namespace kyanite
