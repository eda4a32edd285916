#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "storage/identity_store.h"
#include "storage/records.h"
#include "storage/stores.h"

namespace kyanite {

// The committed contents of the memory engine: a value, so that a power cut is an assignment.
struct MemoryState {
  struct Partition {
    std::uint64_t begin = 0;
    std::deque<std::string> records;  // encoded; the first has offset `begin`
    WallTime last_enqueued = kNever;

    std::uint64_t end() const { return begin + records.size(); }
  };

  std::map<Identity, IdentityRecord> identities;
  std::map<Identity, TwinRecord> twins;
  HubRecords hub;
  std::vector<Partition> partitions;

  // Applies the whole change or refuses it: precondition_failed when an etag is not the one the owner saw.
  Result<void> apply(const IdentityChange& change);
  // Gives the record the partition's next offset and a time that does not run backwards.
  void append(TelemetryAppend& append, WallTime now);
  IdentityCounts count() const;
};

}  // namespace kyanite
