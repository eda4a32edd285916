#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/reply.h"
#include "storage/activity.h"
#include "storage/records.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// A device with all its modules: what an owner loads, in one read. Twins and the bodies of messages are read
// when they are needed.
struct DeviceRecords {
  IdentityRecord device;
  std::vector<IdentityRecord> modules;  // by module id
  std::vector<SessionRecord> sessions;  // of the device and of its modules
  std::vector<C2dHeader> c2d;           // the device's queue, by sequence
  std::uint64_t next_c2d_sequence = 1;
  std::vector<ActivityRecord> activity;  // of the device and of its modules, as far as there is any
};

// Exact numbers of committed state; modules are not devices.
struct IdentityCounts {
  std::uint64_t devices = 0;
  std::uint64_t disabled = 0;
  friend bool operator==(const IdentityCounts&, const IdentityCounts&) = default;
};

// One step of registry work, committed as a whole: identities written (with their twin when they are new) and
// erased. Erasing an identity erases every row of it: twin, session, queued messages, activity; erasing a
// device erases its modules too.
struct IdentityChange {
  struct Write {
    IdentityRecord record;
    std::optional<TwinRecord> new_twin;  // set when the identity is created
    // The etag the owner saw, nothing for a creation. Engines assert or compare it.
    std::optional<std::uint64_t> expected_etag;
  };
  struct Erase {
    Identity id;
  };
  std::vector<Write> writes;
  std::vector<Erase> erases;
  std::vector<TelemetryAppend> events;  // appended to the log in the same commit, never acknowledged
};

// IdentityStore keeps identities; a twin, a session and a queue come and go with theirs.
//
// Owner: Stores. Replies promise: success means committed (and fsynced when durability is fsync); changes of
// one device submitted in order commit in order; reads see committed state. Errors: Errc::storage_failed,
// device_not_found, precondition_failed (only engines shared by nodes), busy.
// Bound: pages of scan are at most `limit` devices.
class IdentityStore {
 public:
  virtual ~IdentityStore() = default;
  virtual void load(std::string device, Reply<DeviceRecords> reply) = 0;  // device_not_found when absent
  virtual void commit(IdentityChange change, Reply<void> reply) = 0;
  // Devices in id order, first one after `after` (empty: from the start).
  virtual void scan(std::string after, std::size_t limit, Reply<std::vector<IdentityRecord>> reply) = 0;
  virtual void counts(Reply<IdentityCounts> reply) = 0;
};

}  // namespace kyanite
