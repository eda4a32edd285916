#include "storage/rocksdb/hub_store.h"

#include <memory>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

Result<HubRecords> read_hub(Database& database) {
  HubRecords records;
  rocksdb::DB& db = database.db();
  if (const auto status = db.Get(rocksdb::ReadOptions(), std::string(keys::kHubId), &records.hub_id);
      !status.ok()) {
    return storage_error("reading the hub id", status);
  }
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
