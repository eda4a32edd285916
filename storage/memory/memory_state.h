#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "storage/document_store.h"
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

  struct C2dQueue {
    std::uint64_t next = 1;
    std::map<std::uint64_t, C2dMessage> messages;
  };

  std::map<Identity, IdentityRecord> identities;
  std::map<Identity, TwinRecord> twins;
  std::map<Identity, SessionRecord> sessions;
  std::map<std::string, C2dQueue> c2d;  // by device; made with its first message
  std::map<std::uint64_t, FeedbackRecord> feedback;
  std::uint64_t next_feedback = 1;
  HubRecords hub;
  std::map<std::pair<Collection, std::string>, std::string> documents;
  std::vector<Partition> partitions;

  // Each applies the whole change or refuses it, as the store interfaces say. Events are the caller's.
  Result<void> apply(const IdentityChange& change);
  Result<void> apply(const TwinWrite& write);
  Result<void> apply(const SessionRecord& session);
  Result<void> apply(const C2dMessage& message);
  Result<void> apply(const C2dOutcome& outcome);
  // Gives the record the partition's next offset and a time that does not run backwards.
  void append(TelemetryAppend& append, WallTime now);
  IdentityCounts count() const;
};

}  // namespace kyanite
