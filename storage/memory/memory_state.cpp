#include "storage/memory/memory_state.h"

#include <algorithm>
#include <utility>

#include "storage/record_codec.h"

namespace kyanite {
namespace {

Error not_registered(const Identity& id) {
  return Error(id.is_module() ? Errc::module_not_found : Errc::device_not_found);
}

}  // namespace

Result<void> MemoryState::apply(const IdentityChange& change) {
  for (const IdentityChange::Write& write : change.writes) {
    const auto present = identities.find(write.record.id);
    const bool matches = present == identities.end()
                             ? !write.expected_etag
                             : write.expected_etag && *write.expected_etag == present->second.etag_counter;
    if (!matches) return Error(Errc::precondition_failed, "the identity is not as its owner saw it");
  }
  for (const IdentityChange::Write& write : change.writes) {
    identities[write.record.id] = write.record;
    if (write.new_twin) twins[write.record.id] = *write.new_twin;
  }
  for (const IdentityChange::Erase& erase : change.erases) {
    const auto erased = [&](const auto& row) {
      return row.first == erase.id || (!erase.id.is_module() && row.first.device == erase.id.device);
    };
    std::erase_if(identities, erased);
    std::erase_if(twins, erased);
    std::erase_if(sessions, erased);
    const std::string key = activity_key(erase.id);
    std::erase_if(documents, [&](const auto& row) {
      return row.first.first == Collection::activity &&
             (row.first.second == key || (!erase.id.is_module() && row.first.second.starts_with(key)));
    });
    if (!erase.id.is_module()) c2d.erase(erase.id.device);
  }
  return {};
}

Result<void> MemoryState::apply(const TwinWrite& write) {
  const auto present = twins.find(write.id);
  if (present == twins.end()) return not_registered(write.id);
  if (present->second.version != write.expected_version) {
    return Error(Errc::precondition_failed, "the twin is not as its owner saw it");
  }
  present->second = write.twin;
  for (const DocumentPut& put : write.documents) documents[{put.collection, put.key}] = put.value;
  return {};
}

Result<void> MemoryState::apply(const SessionRecord& session) {
  if (!identities.contains(session.id)) return not_registered(session.id);
  if (session.subscriptions.empty()) {
    sessions.erase(session.id);
  } else {
    sessions[session.id] = session;
  }
  return {};
}

Result<void> MemoryState::apply(const C2dMessage& message) {
  if (!identities.contains({message.device, ""})) return Error(Errc::device_not_found);
  C2dQueue& queue = c2d[message.device];
  if (message.header.sequence < queue.next) {
    return Error(Errc::precondition_failed, "the queue is not as its owner saw it");
  }
  queue.next = message.header.sequence + 1;
  queue.messages[message.header.sequence] = message;
  return {};
}

Result<void> MemoryState::apply(const C2dOutcome& outcome) {
  if (const auto queue = c2d.find(outcome.device); queue != c2d.end()) {
    auto& messages = queue->second.messages;
    for (const std::uint64_t sequence : outcome.removed) messages.erase(sequence);
    for (const C2dOutcome::Delivery& delivery : outcome.deliveries) {
      const auto message = messages.find(delivery.sequence);
      if (message == messages.end()) continue;
      message->second.header.delivery_count = delivery.delivery_count;
      message->second.header.was_sent = delivery.was_sent;
    }
  }
  for (FeedbackRecord record : outcome.feedback) {
    record.sequence = next_feedback++;
    feedback[record.sequence] = std::move(record);
  }
  return {};
}

void MemoryState::append(TelemetryAppend& append, WallTime now) {
  KYANITE_ASSERT(append.partition.value < partitions.size());
  Partition& partition = partitions[append.partition.value];
  partition.last_enqueued = std::max(partition.last_enqueued, now);
  stamp_telemetry(append.record, partition.last_enqueued);
  partition.records.push_back(std::move(append.record));
}

IdentityCounts MemoryState::count() const {
  IdentityCounts counts;
  for (const auto& [id, record] : identities) {
    if (id.is_module()) continue;
    ++counts.devices;
    if (record.status == IdentityStatus::disabled) ++counts.disabled;
  }
  return counts;
}

}  // namespace kyanite
