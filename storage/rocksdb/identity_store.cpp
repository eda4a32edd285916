#include "storage/rocksdb/identity_store.h"

#include <rocksdb/snapshot.h>

#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

std::unique_ptr<rocksdb::Iterator> identities_until(Database& database, const rocksdb::Slice* bound,
                                                    const rocksdb::Snapshot* snapshot = nullptr) {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = bound;
  options.snapshot = snapshot;
  return std::unique_ptr<rocksdb::Iterator>(database.db().NewIterator(options, database.identity()));
}

Result<std::vector<SessionRecord>> read_sessions(Database& database, const std::string& device,
                                                 const rocksdb::Snapshot* snapshot) {
  const std::string last = keys::after_device(device);
  const rocksdb::Slice bound(last);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  options.snapshot = snapshot;
  const std::unique_ptr<rocksdb::Iterator> row(database.db().NewIterator(options, database.session()));
  std::vector<SessionRecord> sessions;
  for (row->Seek(keys::of_identity({device, ""})); row->Valid(); row->Next()) {
    Result<SessionRecord> session = decode_session(row->value().ToStringView());
    if (!session) return session.error();
    sessions.push_back(std::move(*session));
  }
  if (!row->status().ok()) return storage_error("reading the sessions of a device", row->status());
  return sessions;
}

Result<std::vector<ActivityRecord>> read_activity(Database& database, const std::string& device,
                                                  const rocksdb::Snapshot* snapshot) {
  const std::string last = keys::of_document(Collection::activity, keys::after_device(device));
  const rocksdb::Slice bound(last);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  options.snapshot = snapshot;
  const std::unique_ptr<rocksdb::Iterator> row(database.db().NewIterator(options, database.document()));
  std::vector<ActivityRecord> found;
  for (row->Seek(keys::of_document(Collection::activity, activity_key({device, ""}))); row->Valid();
       row->Next()) {
    auto record = decode_activity(row->key().ToStringView().substr(1), row->value().ToStringView());
    if (record) found.push_back(std::move(*record));
  }
  if (!row->status().ok()) return storage_error("reading the activity of a device", row->status());
  return found;
}

Result<DeviceRecords> read_device(Database& database, const std::string& device) {
  const std::string last = keys::after_device(device);
  const rocksdb::Slice bound(last);
  rocksdb::ManagedSnapshot moment(&database.db());  // the families as one commit left them
  const auto row = identities_until(database, &bound, moment.snapshot());
  DeviceRecords records;
  bool found = false;
  for (row->Seek(keys::of_identity({device, ""})); row->Valid(); row->Next()) {
    Result<IdentityRecord> record = decode_identity(row->value().ToStringView());
    if (!record) return record.error();
    if (keys::is_device(row->key().ToStringView())) {
      records.device = std::move(*record);
      found = true;
    } else {
      records.modules.push_back(std::move(*record));
    }
  }
  if (!row->status().ok()) return storage_error("reading a device", row->status());
  if (!found) return Error(Errc::device_not_found);
  Result<std::vector<SessionRecord>> sessions = read_sessions(database, device, moment.snapshot());
  if (!sessions) return sessions.error();
  records.sessions = std::move(*sessions);
  Result<StoredQueue> queue = read_queue(database, device, moment.snapshot());
  if (!queue) return queue.error();
  records.c2d = std::move(queue->headers);
  records.next_c2d_sequence = queue->next_sequence;
  Result<std::vector<ActivityRecord>> activity = read_activity(database, device, moment.snapshot());
  if (!activity) return activity.error();
  records.activity = std::move(*activity);
  return records;
}

Result<std::vector<IdentityRecord>> read_devices(Database& database, const std::string& after,
                                                 std::size_t limit) {
  std::vector<IdentityRecord> page;
  const auto row = identities_until(database, nullptr);
  row->Seek(after.empty() ? std::string() : keys::after_device(after));
  while (row->Valid() && page.size() < limit) {
    const std::string key = row->key().ToString();
    if (!keys::is_device(key)) {
      row->Next();
      continue;
    }
    Result<IdentityRecord> record = decode_identity(row->value().ToStringView());
    if (!record) return record.error();
    const std::string past = keys::after_device(record->id.device);
    page.push_back(std::move(*record));
    // Modules stand between this device and the next; mostly there are none.
    row->Next();
    if (row->Valid() && row->key().compare(past) < 0) row->Seek(past);
  }
  if (!row->status().ok()) return storage_error("listing devices", row->status());
  return page;
}

std::size_t text_bytes(const IdentityRecord& record) {
  std::size_t bytes = 0;
  for (const std::string* text :
       {&record.id.device, &record.id.module, &record.generation_id, &record.status_reason,
        &record.primary_key, &record.secondary_key, &record.primary_thumbprint, &record.secondary_thumbprint,
        &record.device_scope, &record.managed_by}) {
    bytes += text->size();
  }
  for (const std::string& scope : record.parent_scopes) bytes += scope.size();
  return bytes;
}

std::size_t text_bytes(const TwinRecord& twin) {
  return twin.model_id.size() + twin.tags.size() + twin.desired.size() + twin.reported.size() +
         twin.desired_metadata.size() + twin.reported_metadata.size();
}

}  // namespace

std::size_t estimated_bytes(const IdentityChange& change) {
  constexpr std::size_t kRowBytes = 512;  // keys, numbers, member names and the structs themselves
  std::size_t bytes =
      kRowBytes * (change.writes.size() + change.erases.size()) + estimated_bytes(change.events);
  for (const IdentityChange::Write& write : change.writes) {
    bytes += text_bytes(write.record);
    if (write.new_twin) bytes += text_bytes(*write.new_twin);
  }
  return bytes;
}

Result<void> stage_identity_change(StagedGroup& group, IdentityChange& change) {
  std::vector<std::optional<StagedGroup::Row>> before;
  for (const IdentityChange::Write& write : change.writes) {
    const auto row = group.find(keys::of_identity(write.record.id));
    if (!row) return row.error();
    const std::optional<std::uint64_t> etag = *row ? std::optional((*row)->etag) : std::nullopt;
    if (etag != write.expected_etag) {
      return Error(Errc::precondition_failed, "the identity is not as its owner saw it");
    }
    before.push_back(*row);
  }
  // Everything that may fail comes before the first row is added: what is in the group is committed.
  std::map<std::string, std::optional<StagedGroup::Row>> erased;
  std::map<std::string, std::vector<C2dHeader>> queues;  // of erased devices
  for (const IdentityChange::Erase& erase : change.erases) {
    std::vector<std::string> of_erase{keys::of_identity(erase.id)};
    if (!erase.id.is_module()) {
      auto of_device = group.keys_of_device(erase.id.device);
      if (!of_device) return of_device.error();
      std::move(of_device->begin(), of_device->end(), std::back_inserter(of_erase));
      auto queue = group.c2d().all(erase.id.device);
      if (!queue) return queue.error();
      queues[erase.id.device] = std::move(*queue);
    }
    for (std::string& key : of_erase) {
      const auto row = group.find(key);
      if (!row) return row.error();
      erased.insert_or_assign(std::move(key), *row);
    }
  }
  for (std::size_t i = 0; i < change.writes.size(); ++i) {
    const IdentityChange::Write& write = change.writes[i];
    const std::string key = keys::of_identity(write.record.id);
    group.put(key, write.record, before[i]);
    if (write.new_twin) group.put_twin(key, write.new_twin->version, encode_twin(*write.new_twin));
  }
  for (const auto& [key, row] : erased) group.erase(key, row);
  for (const auto& [device, headers] : queues) {
    for (const C2dHeader& header : headers) group.c2d().erase(device, header);
    group.c2d().forget(device);
  }
  group.events() = std::move(change.events);
  return {};
}

Result<IdentityCounts> read_counts(Database& database) {
  std::string bytes;
  const auto status = database.db().Get(rocksdb::ReadOptions(), std::string(keys::kIdentityCounts), &bytes);
  if (status.IsNotFound()) return IdentityCounts{};
  if (!status.ok()) return storage_error("reading the identity counts", status);
  return decode_counts(bytes);
}

void RocksdbIdentityStore::load(std::string device, Reply<DeviceRecords> reply) {
  context_.readers.run<DeviceRecords>(std::move(reply), [this, device = std::move(device)] {
    return read_device(context_.database, device);
  });
}

void RocksdbIdentityStore::commit(IdentityChange change, Reply<void> reply) {
  const std::size_t bytes = estimated_bytes(change);
  context_.write([change = std::move(change)](
                     StagedGroup& group) mutable { return stage_identity_change(group, change); },
                 bytes, std::move(reply));
}

void RocksdbIdentityStore::scan(std::string after, std::size_t limit,
                                Reply<std::vector<IdentityRecord>> reply) {
  context_.readers.run<std::vector<IdentityRecord>>(
      std::move(reply),
      [this, after = std::move(after), limit] { return read_devices(context_.database, after, limit); });
}

void RocksdbIdentityStore::counts(Reply<IdentityCounts> reply) {
  context_.readers.run<IdentityCounts>(std::move(reply), [this] { return read_counts(context_.database); });
}

}  // namespace kyanite
