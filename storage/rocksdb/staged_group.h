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
#include "storage/rocksdb/staged_c2d.h"

namespace kyanite {

std::string encode_counts(const IdentityCounts& counts);
Result<IdentityCounts> decode_counts(std::string_view bytes);

// StagedGroup is the commit group being filled: the batch, and what its earlier steps did, which the database
// does not show yet.
//
// Owner: GroupWriter; commit thread only. Bound: the group's.
class StagedGroup {
 public:
  // What a step needs to know of an identity before it writes it.
  struct Row {
    std::uint64_t etag = 0;
    bool disabled = false;
  };
  // Hub-wide numbers that grow with the groups; recovered when the store is opened.
  struct Totals {
    IdentityCounts counts;
    std::uint64_t next_feedback = 1;
  };

  StagedGroup(Database& database, Totals totals)
      : database_(database), c2d_(database, batch_), totals_(totals) {}
  StagedGroup(const StagedGroup&) = delete;
  StagedGroup& operator=(const StagedGroup&) = delete;

  Database& database() { return database_; }
  rocksdb::WriteBatch& batch() { return batch_; }
  StagedC2d& c2d() { return c2d_; }
  // What the step wants in the telemetry log beside its rows; dropped when it is refused.
  std::vector<TelemetryAppend>& events() { return events_; }

  // The identity as committed or as an earlier step of this group leaves it; nothing when there is none.
  Result<std::optional<Row>> find(const std::string& key);
  Result<bool> exists(const std::string& key);  // the same question, cheaper
  // The keys of a device and its modules, in the same view.
  Result<std::vector<std::string>> keys_of_device(const std::string& device);

  void put(const std::string& key, const IdentityRecord& record, const std::optional<Row>& before);
  // With twin, session and activity.
  void erase(const std::string& key, const std::optional<Row>& before);

  // The version of a twin in the same view; nothing when there is none.
  Result<std::optional<std::uint64_t>> find_twin(const std::string& key);
  void put_twin(const std::string& key, std::uint64_t version, const std::string& bytes);

  // Gives the record the next sequence of the hub's feedback.
  void put_feedback(FeedbackRecord record);

  const IdentityCounts& counts() const { return totals_.counts; }
  void add_totals_when_changed();  // once, before the batch is written
  void clear();                    // after it was

 private:
  void count(const std::string& key, const std::optional<Row>& before, const std::optional<Row>& after);

  Database& database_;
  rocksdb::WriteBatch batch_;
  StagedC2d c2d_;
  std::vector<TelemetryAppend> events_;
  std::map<std::string, std::optional<Row>> rows_;             // written or erased in this group
  std::map<std::string, std::optional<std::uint64_t>> twins_;  // likewise, their versions
  Totals totals_;
  bool counts_changed_ = false;
  bool feedback_changed_ = false;
};

}  // namespace kyanite
