#pragma once

#include <rocksdb/write_batch.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "storage/identity_store.h"
#include "storage/rocksdb/database.h"

namespace kyanite {

std::string encode_counts(const IdentityCounts& counts);
Result<IdentityCounts> decode_counts(std::string_view bytes);

// StagedGroup is the commit group being filled: the batch, and what its earlier steps did to identities,
// which the database does not show yet.
//
// Owner: GroupWriter; commit thread only. Bound: the group's.
class StagedGroup {
 public:
  // What a step needs to know of an identity before it writes it.
  struct Row {
    std::uint64_t etag = 0;
    bool disabled = false;
  };

  StagedGroup(Database& database, IdentityCounts counts) : database_(database), counts_(counts) {}

  Database& database() { return database_; }
  rocksdb::WriteBatch& batch() { return batch_; }

  // The identity as committed or as an earlier step of this group leaves it; nothing when there is none.
  Result<std::optional<Row>> find(const std::string& key);
  // The keys of a device and its modules, in the same view.
  Result<std::vector<std::string>> keys_of_device(const std::string& device);

  void put(const std::string& key, const IdentityRecord& record, const std::optional<Row>& before);
  void erase(const std::string& key, const std::optional<Row>& before);

  const IdentityCounts& counts() const { return counts_; }
  void add_counts_when_changed();  // once, before the batch is written
  void clear();                    // after it was

 private:
  void count(const std::string& key, const std::optional<Row>& before, const std::optional<Row>& after);

  Database& database_;
  rocksdb::WriteBatch batch_;
  std::map<std::string, std::optional<Row>> rows_;  // written or erased in this group
  IdentityCounts counts_;
  bool counts_changed_ = false;
};

}  // namespace kyanite
