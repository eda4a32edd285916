#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "storage/memory/fault_plan.h"
#include "storage/memory/memory_state.h"
#include "storage/stores.h"

namespace kyanite {

class MemoryIdentityStore;
class MemoryHubStore;
class MemoryTelemetryLog;
class MemoryTwinStore;
class MemorySessionStore;
class MemoryC2dStore;
class MemoryFeedbackStore;
class MemoryDocumentStore;

// MemoryStores is the engine of unit and simulation tests: all stores in memory, on one thread, with faults
// on demand (FaultPlan). Writes collect until `home` runs the commit that they posted, so groups form and
// nothing is answered inline; under a virtual clock everything is deterministic.
//
// Owner: the test. It must be destroyed before `home`. It doubles as the disk: after crash() the same object
// serves the restarted hub.
// Reply: as the store interfaces promise, posted to the asker's executor.
// Bound: none of its own; tests set pressure by hand.
class MemoryStores final : public Stores {
 public:
  struct Options {
    std::uint32_t partitions = 4;
    std::string hub_id = "00112233445566778899aabbccddeeff";
    std::function<void(const Error&)> on_fatal;  // told once when a commit fails
  };

  explicit MemoryStores(Executor& home);
  MemoryStores(Executor& home, Options options);
  ~MemoryStores() override;

  IdentityStore& identities() override;
  TwinStore& twins() override;
  SessionStore& sessions() override;
  C2dStore& c2d() override;
  FeedbackStore& feedback() override;
  HubStore& hub() override;
  DocumentStore& documents() override;
  TelemetryLog& telemetry() override;
  StorePressure pressure() const override { return pressure_; }
  void on_pressure_change(Executor& home, std::function<void(StorePressure)> listener) override;
  void statistics(Reply<StoreStatistics> reply) override;
  void close() override;

  // Faults, changed as the test goes.
  FaultPlan faults;
  void release_commits();  // ends faults.hold_commits
  void set_pressure(StorePressure pressure);
  // What was committed so far survives crash() from now on.
  void sync();
  // The process ends here: queued writes are lost (their replies answer an error, telemetry is not
  // acknowledged), waits and listeners are gone, unsynced commits are taken back when the plan says so. The
  // store then works again.
  void crash();
  // What retention does: forgets the records of a partition before `offset`.
  void trim(PartitionId partition, TelemetryOffset offset);

  // What tests look at, after each commit and whenever they like.
  std::function<void()> after_commit;
  const MemoryState& committed() const { return state_; }
  MemoryState& disk() { return state_; }  // for tests that damage it
  std::uint64_t commits() const { return commits_; }
  std::size_t queued() const { return queue_.size(); }

 private:
  friend class MemoryIdentityStore;
  friend class MemoryHubStore;
  friend class MemoryTelemetryLog;
  friend class MemoryTwinStore;
  friend class MemorySessionStore;
  friend class MemoryC2dStore;
  friend class MemoryFeedbackStore;
  friend class MemoryDocumentStore;

  struct Write {
    std::function<Result<void>(MemoryState&)> apply;
    Reply<void> reply;
    std::vector<TelemetryAppend> events;  // appended when `apply` succeeds
  };
  // Writes that make room are taken under pressure too.
  enum class Kind { fills, makes_room };
  using Operation = std::variant<TelemetryBatch, Write>;
  struct PressureListener {
    Executor* home;
    std::function<void(StorePressure)> listener;
  };

  Result<void> admission(Kind kind) const;  // why a write is refused at once
  bool refuses_read();                      // as the plan says
  void write(std::function<Result<void>(MemoryState&)> apply, Reply<void> reply,
             std::vector<TelemetryAppend> events = {}, Kind kind = Kind::fills);
  void enqueue(Operation operation);
  void schedule_commit();
  void commit();
  void fail(std::vector<Operation> group, const Error& error);

  Executor& home_;
  Options options_;
  MemoryState state_;
  MemoryState synced_;
  std::vector<Operation> queue_;
  bool commit_scheduled_ = false;
  bool closed_ = false;
  bool failed_ = false;
  std::uint64_t commits_ = 0;
  std::uint64_t starts_ = 1;  // apart from the state: no power cut takes one back
  StorePressure pressure_ = StorePressure::none;
  std::vector<PressureListener> listeners_;
  std::unique_ptr<MemoryIdentityStore> identities_;
  std::unique_ptr<MemoryTwinStore> twins_;
  std::unique_ptr<MemorySessionStore> sessions_;
  std::unique_ptr<MemoryC2dStore> c2d_;
  std::unique_ptr<MemoryFeedbackStore> feedback_;
  std::unique_ptr<MemoryHubStore> hub_;
  std::unique_ptr<MemoryDocumentStore> documents_;
  std::unique_ptr<MemoryTelemetryLog> telemetry_;
  // Tasks posted to `home` hold it weakly: a crash or the end of the store makes them do nothing.
  std::shared_ptr<int> life_;
};

}  // namespace kyanite
