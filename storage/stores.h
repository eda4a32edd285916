#pragma once

#include <string>
#include <vector>

#include "protocol/base/executor.h"
#include "storage/c2d_store.h"
#include "storage/document_store.h"
#include "storage/hub_store.h"
#include "storage/identity_store.h"
#include "storage/session_store.h"
#include "storage/store_statistics.h"
#include "storage/telemetry_log.h"
#include "storage/twin_store.h"

namespace kyanite {

// Why the store takes no writes at present.
enum class StorePressure {
  none,
  queue_full,  // the commit queue is above its high mark
  disk_low,    // free bytes are under the floor: writes are refused before the file system does it
};

// Stores is one engine: all typed stores over one database.
//
// Owner: the application; destroyed after the shards stopped asking. close() commits what was submitted,
// answers it, and stops the engine's threads.
class Stores {
 public:
  virtual ~Stores() = default;
  virtual IdentityStore& identities() = 0;
  virtual TwinStore& twins() = 0;
  virtual SessionStore& sessions() = 0;
  virtual C2dStore& c2d() = 0;
  virtual FeedbackStore& feedback() = 0;
  virtual HubStore& hub() = 0;
  virtual DocumentStore& documents() = 0;
  virtual TelemetryLog& telemetry() = 0;

  // Whether new writes should wait; cheap, any thread.
  virtual StorePressure pressure() const = 0;
  // The task is posted to `home` on every change of pressure, and at once when there is some already. Call
  // before the shards start.
  virtual void on_pressure_change(Executor& home, std::function<void(StorePressure)> listener) = 0;

  // What the engine says about itself; reads what is on disk, and so may come late. Errors: those of reads.
  virtual void statistics(Reply<StoreStatistics> reply) = 0;

  virtual void close() = 0;
};

}  // namespace kyanite
