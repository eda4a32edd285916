#include "storage/rocksdb/twin_scan.h"

#include <rocksdb/snapshot.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

constexpr std::chrono::milliseconds kTurn{10};

// Rows of a family under the keys of identities, asked for in key order. A neighbour is reached by stepping:
// to seek costs many times as much.
class FollowingRows {
 public:
  FollowingRows(Database& database, rocksdb::ColumnFamilyHandle* family, const rocksdb::Snapshot* snapshot)
      : database_(database), family_(family) {
    options_.snapshot = snapshot;
  }

  // Moves to the first key that is not before `key`.
  void move_to(std::string_view key) {
    if (!row_) {
      row_.reset(database_.db().NewIterator(options_, family_));
      return row_->Seek(key);
    }
    constexpr int kSteps = 4;
    for (int step = 0; step < kSteps; ++step) {
      if (!row_->Valid() || row_->key().ToStringView() >= key) return;
      row_->Next();
    }
    if (row_->Valid() && row_->key().ToStringView() < key) row_->Seek(key);
  }
  rocksdb::Iterator& row() { return *row_; }

 private:
  Database& database_;
  rocksdb::ColumnFamilyHandle* family_;
  rocksdb::ReadOptions options_;
  std::unique_ptr<rocksdb::Iterator> row_;
};

class RocksdbScanned final : public ScannedIdentity {
 public:
  RocksdbScanned(Database& database, const rocksdb::Snapshot* snapshot)
      : twins_(database, database.twin(), snapshot), messages_(database, database.c2d(), snapshot) {}

  void set(Identity id, rocksdb::Slice key, rocksdb::Slice value) {
    id_ = std::move(id);
    key_ = key;
    value_ = value;
    bytes_ = key.size() + value.size();
  }

  const Identity& id() const override { return id_; }
  Result<IdentityRecord> record() override { return decode_identity(value_.ToStringView()); }
  Result<TwinRecord> twin(const TwinTexts& wanted) override {
    twins_.move_to(key_.ToStringView());
    rocksdb::Iterator& row = twins_.row();
    if (!row.Valid() || row.key() != key_) {
      if (!row.status().ok()) return storage_error("reading twins", row.status());
      return Error(Errc::storage_failed, "an identity has no twin");
    }
    bytes_ += row.value().size();
    return decode_twin(row.value().ToStringView(), wanted);
  }
  Result<std::uint64_t> c2d_messages() override {
    std::uint64_t count = 0;
    if (id_.is_module()) return count;
    const std::string past = keys::after_device(id_.device);
    messages_.move_to(key_.ToStringView());
    rocksdb::Iterator& row = messages_.row();
    for (; row.Valid() && row.key().ToStringView() < past; row.Next()) {
      if (keys::message_sequence(row.key().ToStringView(), id_.device)) ++count;
    }
    if (!row.status().ok()) return storage_error("counting the messages of a device", row.status());
    return count;
  }
  std::size_t bytes() const override { return bytes_; }

 private:
  Identity id_;
  rocksdb::Slice key_;
  rocksdb::Slice value_;
  std::size_t bytes_ = 0;
  FollowingRows twins_;
  FollowingRows messages_;
};

Identity identity_of(std::string_view key) {
  const std::size_t end = std::min(key.find('\0'), key.size());
  return {std::string(key.substr(0, end)), std::string(key.substr(std::min(end + 1, key.size())))};
}

}  // namespace

Result<IdentityScanned> scan_identities(Database& database, IdentityScan scan) {
  const auto began = std::chrono::steady_clock::now();
  rocksdb::ManagedSnapshot moment(&database.db());  // the families as one commit left them
  rocksdb::ReadOptions options;
  options.snapshot = moment.snapshot();
  const std::unique_ptr<rocksdb::Iterator> row(database.db().NewIterator(options, database.identity()));
  RocksdbScanned identity(database, moment.snapshot());
  IdentityScanned scanned{nullptr, std::move(scan.after), false};
  std::size_t rows = 0;
  std::size_t bytes = 0;

  std::string first;
  if (!scanned.last.device.empty())
    first = keys::of_identity(scanned.last) + '\0';  // the key right behind it
  bool goes_on = true;
  for (row->Seek(first); row->Valid() && goes_on; row->Next()) {
    // What is passed over counts as well: devices without modules, or modules when devices are asked for.
    bytes += row->key().size();
    if (keys::is_device(row->key().ToStringView()) != scan.modules) {
      identity.set(identity_of(row->key().ToStringView()), row->key(), row->value());
      goes_on = scan.visitor->visit(identity);
      bytes += identity.bytes();
    }
    scanned.last = identity_of(row->key().ToStringView());
    ++rows;
    goes_on = goes_on && rows < scan.rows_max && bytes < scan.bytes_max &&
              std::chrono::steady_clock::now() - began < kTurn;
  }
  if (!row->status().ok()) return storage_error("scanning identities", row->status());
  scanned.at_end = !row->Valid();
  scanned.visitor = std::move(scan.visitor);
  return scanned;
}

}  // namespace kyanite
