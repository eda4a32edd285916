#include "storage/memory/memory_stores.h"

#include <algorithm>
#include <utility>

#include "storage/memory/memory_c2d_store.h"
#include "storage/memory/memory_document_store.h"
#include "storage/memory/memory_identity_store.h"
#include "storage/memory/memory_telemetry_log.h"
#include "storage/memory/memory_twin_store.h"

namespace kyanite {

MemoryStores::MemoryStores(Executor& home) : MemoryStores(home, Options{}) {}

MemoryStores::MemoryStores(Executor& home, Options options)
    : home_(home),
      options_(std::move(options)),
      identities_(std::make_unique<MemoryIdentityStore>(*this)),
      twins_(std::make_unique<MemoryTwinStore>(*this)),
      sessions_(std::make_unique<MemorySessionStore>(*this)),
      c2d_(std::make_unique<MemoryC2dStore>(*this)),
      feedback_(std::make_unique<MemoryFeedbackStore>(*this)),
      hub_(std::make_unique<MemoryHubStore>(*this)),
      documents_(std::make_unique<MemoryDocumentStore>(*this)),
      telemetry_(std::make_unique<MemoryTelemetryLog>(*this)),
      life_(std::make_shared<int>(0)) {
  state_.hub.hub_id = options_.hub_id;
  state_.partitions.resize(options_.partitions);
  synced_ = state_;
}

MemoryStores::~MemoryStores() { close(); }

IdentityStore& MemoryStores::identities() { return *identities_; }
TwinStore& MemoryStores::twins() { return *twins_; }
SessionStore& MemoryStores::sessions() { return *sessions_; }
C2dStore& MemoryStores::c2d() { return *c2d_; }
FeedbackStore& MemoryStores::feedback() { return *feedback_; }
HubStore& MemoryStores::hub() { return *hub_; }
DocumentStore& MemoryStores::documents() { return *documents_; }
TelemetryLog& MemoryStores::telemetry() { return *telemetry_; }

void MemoryStores::on_pressure_change(Executor& home, std::function<void(StorePressure)> listener) {
  if (pressure_ != StorePressure::none) home.post([listener, pressure = pressure_] { listener(pressure); });
  listeners_.push_back({&home, std::move(listener)});
}

void MemoryStores::set_pressure(StorePressure pressure) {
  if (pressure == pressure_) return;
  pressure_ = pressure;
  for (const PressureListener& to : listeners_) {
    to.home->post([listener = to.listener, pressure] { listener(pressure); });
  }
}

void MemoryStores::statistics(Reply<StoreStatistics> reply) {
  StoreStatistics statistics;
  statistics.identities = state_.count();
  for (const auto& [device, queue] : state_.c2d) statistics.c2d_queued += queue.messages.size();
  reply(statistics);
}

void MemoryStores::close() {
  if (closed_) return;
  faults.hold_commits = false;
  commit();
  closed_ = true;
  life_.reset();
  telemetry_->end_waits(Error(Errc::shutting_down, "the store closed"));
}

void MemoryStores::release_commits() {
  faults.hold_commits = false;
  schedule_commit();
}

void MemoryStores::sync() { synced_ = state_; }

void MemoryStores::crash() {
  life_ = std::make_shared<int>(0);
  commit_scheduled_ = false;
  failed_ = false;
  closed_ = false;
  pressure_ = StorePressure::none;
  listeners_.clear();
  for (Operation& operation : std::exchange(queue_, {})) {
    if (auto* lost = std::get_if<Write>(&operation))
      lost->reply(Error(Errc::storage_failed, "the store crashed"));
  }
  telemetry_->end_waits(Error(Errc::shutting_down, "the store crashed"));
  if (faults.lose_unsynced) state_ = synced_;
  state_.hub.starts = ++starts_;
}

void MemoryStores::trim(PartitionId partition, TelemetryOffset offset) {
  MemoryState::Partition& log = state_.partitions.at(partition.value);
  while (log.begin < offset.value && !log.records.empty()) {
    log.records.pop_front();
    ++log.begin;
  }
}

bool MemoryStores::refuses_read() {
  if (faults.busy_reads == 0) return false;
  --faults.busy_reads;
  return true;
}

Result<void> MemoryStores::admission(Kind kind) const {
  if (closed_) return Error(Errc::shutting_down, "the store is closed");
  if (failed_) return Error(Errc::storage_failed, "an earlier commit failed");
  if (kind == Kind::makes_room) return {};
  if (pressure_ == StorePressure::queue_full) return Error(Errc::busy, "the commit queue is full");
  if (pressure_ == StorePressure::disk_low) return Error(Errc::busy, "the disk is nearly full");
  return {};
}

void MemoryStores::write(std::function<Result<void>(MemoryState&)> apply, Reply<void> reply,
                         std::vector<TelemetryAppend> events, Kind kind) {
  for (const TelemetryAppend& event : events) KYANITE_ASSERT(event.partition.value < options_.partitions);
  if (const Result<void> admitted = admission(kind); !admitted) return reply(admitted.error());
  enqueue(Write{std::move(apply), std::move(reply), std::move(events)});
}

void MemoryStores::enqueue(Operation operation) {
  queue_.push_back(std::move(operation));
  schedule_commit();
}

void MemoryStores::schedule_commit() {
  if (commit_scheduled_ || queue_.empty() || faults.hold_commits) return;
  commit_scheduled_ = true;
  // Timers are for the executor's own thread, and an append may come from another simulated shard.
  home_.post([this, life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    if (faults.commit_delay.count() == 0) return commit();
    home_.after(faults.commit_delay, [this, life] {
      if (!life.expired()) commit();
    });
  });
}

void MemoryStores::commit() {
  commit_scheduled_ = false;
  if (queue_.empty() || faults.hold_commits) return;
  std::vector<Operation> group = std::exchange(queue_, {});
  if (failed_) return fail(std::move(group), Error(Errc::storage_failed, "an earlier commit failed"));
  ++commits_;
  if (faults.fail_commit && commits_ >= *faults.fail_commit) {
    faults.fail_commit.reset();
    failed_ = true;
    const Error error(Errc::storage_failed, "the commit failed");
    fail(std::move(group), error);
    if (options_.on_fatal) options_.on_fatal(error);
    return;
  }

  std::vector<std::pair<TelemetryAckSink*, std::vector<TelemetryAckSink::Ack>>>
      acks;  // in order of first use
  std::vector<std::pair<Reply<void>, Result<void>>> answers;
  const WallTime now = home_.wall_now();
  for (Operation& operation : group) {
    if (auto* write = std::get_if<Write>(&operation)) {
      Result<void> applied = write->apply(state_);
      if (applied) {
        for (TelemetryAppend& event : write->events) state_.append(event, now);
      }
      answers.emplace_back(std::move(write->reply), std::move(applied));
      continue;
    }
    auto& batch = std::get<TelemetryBatch>(operation);
    for (TelemetryAppend& append : batch.appends) {
      state_.append(append, now);
      if (!append.wants_ack) continue;
      auto of_sink =
          std::find_if(acks.begin(), acks.end(), [&](auto& entry) { return entry.first == batch.sink; });
      if (of_sink == acks.end()) of_sink = acks.insert(acks.end(), {batch.sink, {}});
      of_sink->second.push_back(append.ack);
    }
  }
  if (after_commit) after_commit();
  for (auto& [sink, list] : acks) sink->on_committed(std::move(list));
  for (auto& [reply, result] : answers) reply(std::move(result));
  telemetry_->answer_waits();
}

void MemoryStores::fail(std::vector<Operation> group, const Error& error) {
  for (Operation& operation : group) {
    if (auto* lost = std::get_if<Write>(&operation)) lost->reply(error);
  }
}

}  // namespace kyanite
