#include "storage/rocksdb/hub_store.h"

#include <memory>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

// 0 in a store of format 1, which did not count.
Result<std::uint64_t> read_starts(Database& database) {
  std::string bytes;
  const auto status = database.db().Get(rocksdb::ReadOptions(), std::string(keys::kStarts), &bytes);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return storage_error("reading the number of starts", status);
  const auto starts = keys::to_number(bytes);
  if (!starts) return Error(Errc::storage_failed, "the number of starts is damaged");
  return *starts;
}

Result<HubRecords> read_hub(Database& database) {
  HubRecords records;
  rocksdb::DB& db = database.db();
  if (const auto status = db.Get(rocksdb::ReadOptions(), std::string(keys::kHubId), &records.hub_id);
      !status.ok()) {
    return storage_error("reading the hub id", status);
  }
  const Result<std::uint64_t> starts = read_starts(database);
  if (!starts) return starts.error();
  records.starts = *starts;
  std::string bytes;
  const auto status = db.Get(rocksdb::ReadOptions(), database.hub(), std::string(keys::kPolicies), &bytes);
  if (!status.ok() && !status.IsNotFound()) return storage_error("reading the access policies", status);
  if (status.ok()) {
    Result<std::vector<AccessPolicy>> policies = decode_policies(bytes);
    if (!policies) return policies.error();
    records.policies = std::move(*policies);
  }
  const std::unique_ptr<rocksdb::Iterator> row(db.NewIterator(rocksdb::ReadOptions(), database.hub()));
  for (row->Seek(std::string(keys::kCaPrefix)); row->Valid(); row->Next()) {
    if (!row->key().starts_with(std::string(keys::kCaPrefix))) break;
    Result<CaCertificateRecord> record = decode_ca_certificate(row->value().ToStringView());
    if (!record) return record.error();
    records.ca_certificates.push_back(std::move(*record));
  }
  if (!row->status().ok()) return storage_error("reading the CA certificates", row->status());
  return records;
}

std::string ca_key(const std::string& name) { return std::string(keys::kCaPrefix) + name; }

// Puts, or deletes when there is no value.
StoreStep row_step(std::string key, std::optional<std::string> value) {
  return [key = std::move(key), value = std::move(value)](StagedGroup& group) -> Result<void> {
    rocksdb::ColumnFamilyHandle* const family = group.database().hub();
    if (value) {
      group.batch().Put(family, key, *value);
    } else {
      group.batch().Delete(family, key);
    }
    return {};
  };
}

}  // namespace

Result<void> count_start(Database& database) {
  const Result<std::uint64_t> before = read_starts(database);
  if (!before) return before.error();
  rocksdb::WriteOptions durable;
  durable.sync = true;
  const auto status = database.db().Put(durable, std::string(keys::kStarts), keys::of_number(*before + 1));
  if (!status.ok()) return opening_error("counting the start", status);
  return {};
}

void RocksdbHubStore::load(Reply<HubRecords> reply) {
  context_.readers.run<HubRecords>(std::move(reply), [this] { return read_hub(context_.database); });
}

void RocksdbHubStore::put_policies(std::vector<AccessPolicy> policies, Reply<void> reply) {
  std::string bytes = encode_policies(policies);
  const std::size_t size = bytes.size();
  context_.write(row_step(std::string(keys::kPolicies), std::move(bytes)), size, std::move(reply));
}

void RocksdbHubStore::put_ca_certificate(CaCertificateRecord record, Reply<void> reply) {
  std::string bytes = encode_ca_certificate(record);
  const std::size_t size = bytes.size();
  context_.write(row_step(ca_key(record.name), std::move(bytes)), size, std::move(reply));
}

void RocksdbHubStore::erase_ca_certificate(std::string name, Reply<void> reply) {
  context_.write(row_step(ca_key(name), std::nullopt), name.size(), std::move(reply));
}

}  // namespace kyanite
