#include "storage/rocksdb/twin_store.h"

#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"
#include "storage/rocksdb/twin_scan.h"

namespace kyanite {
namespace {

Error not_registered(bool module) { return Error(module ? Errc::module_not_found : Errc::device_not_found); }

Result<TwinRecord> read_twin(Database& database, const Identity& id) {
  rocksdb::PinnableSlice bytes;
  const auto status =
      database.db().Get(rocksdb::ReadOptions(), database.twin(), keys::of_identity(id), &bytes);
  if (status.IsNotFound()) return not_registered(id.is_module());
  if (!status.ok()) return storage_error("reading a twin", status);
  return decode_twin(bytes.ToStringView());
}

// A write on its way to the commit thread: encoded by the shard that asked, since there are more of those.
struct EncodedTwin {
  std::string key;
  std::string bytes;
  std::uint64_t version = 0;
  std::uint64_t expected_version = 0;
  std::vector<TelemetryAppend> events;
  std::vector<DocumentPut> documents;
};

Result<void> stage_twin(StagedGroup& group, EncodedTwin& twin) {
  const Result<std::optional<std::uint64_t>> present = group.find_twin(twin.key);
  if (!present) return present.error();
  if (!present->has_value()) return not_registered(!keys::is_device(twin.key));
  if (**present != twin.expected_version) {
    return Error(Errc::precondition_failed, "the twin is not as its owner saw it");
  }
  group.put_twin(twin.key, twin.version, twin.bytes);
  group.events() = std::move(twin.events);
  rocksdb::ColumnFamilyHandle* const family = group.database().document();
  for (const DocumentPut& put : twin.documents) {
    group.batch().Put(family, keys::of_document(put.collection, put.key), put.value);
  }
  return {};
}

}  // namespace

void RocksdbTwinStore::load(Identity id, Reply<TwinRecord> reply) {
  context_.readers.run<TwinRecord>(std::move(reply),
                                   [this, id = std::move(id)] { return read_twin(context_.database, id); });
}

void RocksdbTwinStore::put(TwinWrite write, Reply<void> reply) {
  EncodedTwin twin{keys::of_identity(write.id), encode_twin(write.twin), write.twin.version,
                   write.expected_version,      std::move(write.events), std::move(write.documents)};
  std::size_t bytes = kStepBytes + twin.bytes.size() + estimated_bytes(twin.events);
  for (const DocumentPut& put : twin.documents) bytes += put.key.size() + put.value.size();
  context_.write([twin = std::move(twin)](StagedGroup& group) mutable { return stage_twin(group, twin); },
                 bytes, std::move(reply));
}

void RocksdbTwinStore::scan(IdentityScan scan, Reply<IdentityScanned> reply) {
  context_.readers.run<IdentityScanned>(std::move(reply), [this, scan = std::move(scan)]() mutable {
    return scan_identities(context_.database, std::move(scan));
  });
}

void RocksdbSessionStore::put(SessionRecord session, Reply<void> reply) {
  std::string key = keys::of_identity(session.id);
  std::string value = session.subscriptions.empty() ? std::string() : encode_session(session);
  const std::size_t bytes = kStepBytes + value.size();
  context_.write(
      [key = std::move(key), value = std::move(value)](StagedGroup& group) -> Result<void> {
        const Result<bool> registered = group.exists(key);
        if (!registered) return registered.error();
        // A row without its identity would come back with the next device of that name.
        if (!*registered) return not_registered(!keys::is_device(key));
        rocksdb::ColumnFamilyHandle* const family = group.database().session();
        if (value.empty()) {
          group.batch().Delete(family, key);
        } else {
          group.batch().Put(family, key, value);
        }
        return {};
      },
      bytes, std::move(reply));
}

}  // namespace kyanite
