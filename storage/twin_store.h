#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/reply.h"
#include "storage/document_store.h"
#include "storage/records.h"
#include "storage/telemetry_log.h"
#include "storage/twin_scan.h"

namespace kyanite {

// One or more accepted updates of a twin, committed as a whole.
struct TwinWrite {
  Identity id;
  TwinRecord twin;
  // TwinRecord::version that the owner saw; engines assert or compare it. It may equal the new one:
  // announcing a model changes no version.
  std::uint64_t expected_version = 0;
  std::vector<TelemetryAppend> events;   // appended to the log in the same commit, never acknowledged
  std::vector<DocumentPut> documents{};  // of who asked for the updates, in the same commit
};

// TwinStore keeps the twins of identities; they come with IdentityStore::commit and go with it.
//
// Owner: Stores. Replies promise what those of IdentityStore do. Errors: Errc::storage_failed,
// device_not_found, module_not_found, precondition_failed, busy.
class TwinStore {
 public:
  virtual ~TwinStore() = default;
  virtual void load(Identity id, Reply<TwinRecord> reply) = 0;
  virtual void put(TwinWrite write, Reply<void> reply) = 0;
  // A turn of a walk over committed identities and their twins; its moment is one commit's. Errors:
  // storage_failed, busy. A visitor whose scan failed is gone.
  virtual void scan(IdentityScan scan, Reply<IdentityScanned> reply) = 0;
};

}  // namespace kyanite
