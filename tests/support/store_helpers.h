#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "storage/record_codec.h"
#include "storage/stores.h"
#include "tests/support/manual_executor.h"
#include "tests/support/temporary_directory.h"

namespace kyanite {

// Remembers acknowledgements in the order they came, from any thread.
class RecordingSink final : public TelemetryAckSink {
 public:
  void on_committed(std::vector<Ack> acks) override {
    const std::lock_guard lock(mutex_);
    ++calls_;
    for (const Ack& ack : acks) sequences_.push_back(ack.sequence);
  }
  std::vector<std::uint64_t> sequences() const {
    const std::lock_guard lock(mutex_);
    return sequences_;
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return sequences_.size();
  }
  std::size_t calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> sequences_;
  std::size_t calls_ = 0;
};

inline TelemetryAppend make_append(std::uint32_t partition, const std::string& device, std::uint64_t sequence,
                                   const std::string& body, bool wants_ack = true) {
  const Identity sender{device, ""};
  const PropertyBag bag;
  TelemetryFields fields{
      .sender = sender, .generation_id = "1", .auth_method = "{}", .model_id = "", .bag = bag, .body = body};
  return {PartitionId{partition}, encode_telemetry(fields), {ConnectionRef{{}, 1, 1}, sequence}, wants_ack};
}

inline IdentityRecord make_identity(const std::string& device, const std::string& module = "",
                                    std::uint64_t etag = 1) {
  IdentityRecord record;
  record.id = {device, module};
  record.generation_id = "638000000000000000";
  record.etag_counter = etag;
  record.primary_key = "cHJpbWFyeS1rZXktMTIzNDU2Nzg=";
  return record;
}

inline IdentityChange::Write creation(IdentityRecord record) {
  return {std::move(record), TwinRecord{}, std::nullopt};
}

// Waits for the answer of one commit.
inline Result<void> commit(ManualExecutor& home, Stores& stores, IdentityChange change) {
  return await<void>(
      home, [&](Reply<void> reply) { stores.identities().commit(std::move(change), std::move(reply)); });
}
inline Result<void> create(ManualExecutor& home, Stores& stores, IdentityRecord record) {
  IdentityChange change;
  change.writes.push_back(creation(std::move(record)));
  return commit(home, stores, std::move(change));
}
inline Result<void> erase(ManualExecutor& home, Stores& stores, const Identity& id) {
  IdentityChange change;
  change.erases.push_back({id});
  return commit(home, stores, std::move(change));
}
inline Result<DeviceRecords> load(ManualExecutor& home, Stores& stores, const std::string& device) {
  return await<DeviceRecords>(
      home, [&](Reply<DeviceRecords> reply) { stores.identities().load(device, std::move(reply)); });
}
inline Result<TwinRecord> load_twin(ManualExecutor& home, Stores& stores, const Identity& id) {
  return await<TwinRecord>(home, [&](Reply<TwinRecord> reply) { stores.twins().load(id, std::move(reply)); });
}
inline Result<void> put_twin(ManualExecutor& home, Stores& stores, TwinWrite write) {
  return await<void>(home,
                     [&](Reply<void> reply) { stores.twins().put(std::move(write), std::move(reply)); });
}

// Enqueued at `sequence` milliseconds, expires an hour later.
inline C2dMessage make_message(const std::string& device, std::uint64_t sequence,
                               const std::string& body = "b") {
  C2dMessage message;
  message.device = device;
  message.header.sequence = sequence;
  message.header.enqueued = WallTime(milliseconds(sequence));
  message.header.expiry = message.header.enqueued + std::chrono::hours(1);
  message.header.message_id = "m" + std::to_string(sequence);
  message.header.bytes = static_cast<std::uint32_t>(body.size());
  message.body = body;
  return message;
}
inline Result<void> append_message(ManualExecutor& home, Stores& stores, C2dMessage message) {
  return await<void>(home,
                     [&](Reply<void> reply) { stores.c2d().append(std::move(message), std::move(reply)); });
}
inline Result<void> settle(ManualExecutor& home, Stores& stores, C2dOutcome outcome) {
  return await<void>(home,
                     [&](Reply<void> reply) { stores.c2d().settle(std::move(outcome), std::move(reply)); });
}
inline Result<std::vector<C2dMessage>> read_messages(ManualExecutor& home, Stores& stores,
                                                     const std::string& device, std::uint64_t from = 0,
                                                     std::size_t messages = 1000,
                                                     std::size_t bytes = 1 << 24) {
  return await<std::vector<C2dMessage>>(home, [&](Reply<std::vector<C2dMessage>> reply) {
    stores.c2d().read(device, from, messages, bytes, std::move(reply));
  });
}

inline Result<TelemetryPage> read_page(ManualExecutor& home, Stores& stores, std::uint32_t partition,
                                       std::uint64_t from, std::size_t records = 10000,
                                       std::size_t bytes = 1 << 24) {
  return await<TelemetryPage>(home, [&](Reply<TelemetryPage> reply) {
    stores.telemetry().read(PartitionId{partition}, TelemetryOffset{from}, records, bytes, std::move(reply));
  });
}
inline Result<IdentityCounts> counts(ManualExecutor& home, Stores& stores) {
  return await<IdentityCounts>(
      home, [&](Reply<IdentityCounts> reply) { stores.identities().counts(std::move(reply)); });
}

}  // namespace kyanite
