#include "storage/rocksdb/staged_group.h"

#include <memory>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {

std::string encode_counts(const IdentityCounts& counts) {
  return keys::of_number(counts.devices) + keys::of_number(counts.disabled);
}

Result<IdentityCounts> decode_counts(std::string_view bytes) {
  if (bytes.size() != 16) return Error(Errc::storage_failed, "the identity counts are damaged");
  return IdentityCounts{*keys::to_number(bytes.substr(0, 8)), *keys::to_number(bytes.substr(8))};
}

Result<std::optional<StagedGroup::Row>> StagedGroup::find(const std::string& key) {
  if (const auto staged = rows_.find(key); staged != rows_.end()) return staged->second;
  rocksdb::PinnableSlice bytes;
  const auto status = database_.db().Get(rocksdb::ReadOptions(), database_.identity(), key, &bytes);
  if (status.IsNotFound()) return std::optional<Row>();
  if (!status.ok()) return storage_error("reading an identity", status);
  const Result<IdentityRecord> record = decode_identity(bytes.ToStringView());
  if (!record) return record.error();
  return std::optional(Row{record->etag_counter, record->status == IdentityStatus::disabled});
}

Result<bool> StagedGroup::exists(const std::string& key) {
  if (const auto staged = rows_.find(key); staged != rows_.end()) return staged->second.has_value();
  rocksdb::PinnableSlice bytes;
  const auto status = database_.db().Get(rocksdb::ReadOptions(), database_.identity(), key, &bytes);
  if (!status.ok() && !status.IsNotFound()) return storage_error("reading an identity", status);
  return status.ok();
}

Result<std::vector<std::string>> StagedGroup::keys_of_device(const std::string& device) {
  const std::string first = keys::of_identity({device, ""});
  const std::string last = keys::after_device(device);
  std::map<std::string, bool> present;
  rocksdb::ReadOptions options;
  const rocksdb::Slice bound(last);
  options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> row(database_.db().NewIterator(options, database_.identity()));
  for (row->Seek(first); row->Valid(); row->Next()) present[row->key().ToString()] = true;
  if (!row->status().ok()) return storage_error("reading the identities of a device", row->status());
  for (auto staged = rows_.lower_bound(first); staged != rows_.end() && staged->first < last; ++staged) {
    present[staged->first] = staged->second.has_value();
  }
  std::vector<std::string> found;
  for (const auto& [key, exists] : present) {
    if (exists) found.push_back(key);
  }
  return found;
}

void StagedGroup::put(const std::string& key, const IdentityRecord& record,
                      const std::optional<Row>& before) {
  const Row after{record.etag_counter, record.status == IdentityStatus::disabled};
  batch_.Put(database_.identity(), key, encode_identity(record));
  rows_[key] = after;
  count(key, before, after);
}

void StagedGroup::erase(const std::string& key, const std::optional<Row>& before) {
  batch_.Delete(database_.identity(), key);
  batch_.Delete(database_.twin(), key);
  batch_.Delete(database_.session(), key);
  batch_.Delete(database_.document(), keys::of_document(Collection::activity, key));
  rows_[key] = std::nullopt;
  twins_[key] = std::nullopt;
  count(key, before, std::nullopt);
}

Result<std::optional<std::uint64_t>> StagedGroup::find_twin(const std::string& key) {
  if (const auto staged = twins_.find(key); staged != twins_.end()) return staged->second;
  rocksdb::PinnableSlice bytes;
  const auto status = database_.db().Get(rocksdb::ReadOptions(), database_.twin(), key, &bytes);
  if (status.IsNotFound()) return std::optional<std::uint64_t>();
  if (!status.ok()) return storage_error("reading a twin", status);
  const Result<std::uint64_t> version = twin_version(bytes.ToStringView());
  if (!version) return version.error();
  return std::optional(*version);
}

void StagedGroup::put_twin(const std::string& key, std::uint64_t version, const std::string& bytes) {
  batch_.Put(database_.twin(), key, bytes);
  twins_[key] = version;
}

void StagedGroup::put_feedback(FeedbackRecord record) {
  record.sequence = totals_.next_feedback++;
  batch_.Put(database_.feedback(), keys::of_number(record.sequence), encode_feedback(record));
  feedback_changed_ = true;
}

void StagedGroup::count(const std::string& key, const std::optional<Row>& before,
                        const std::optional<Row>& after) {
  if (!keys::is_device(key)) return;
  const auto bit = [](bool set) { return static_cast<std::uint64_t>(set); };
  IdentityCounts& total = totals_.counts;
  const IdentityCounts was = total;
  total.devices = total.devices + bit(after.has_value()) - bit(before.has_value());
  total.disabled = total.disabled + bit(after.has_value() && after->disabled) -
                   bit(before.has_value() && before->disabled);
  counts_changed_ = counts_changed_ || was != total;
}

void StagedGroup::add_totals_when_changed() {
  if (counts_changed_) batch_.Put(std::string(keys::kIdentityCounts), encode_counts(totals_.counts));
  // Beside the records, since they are taken out: an emptied queue goes on from here.
  if (feedback_changed_) batch_.Put(std::string(keys::kFeedbackNext), keys::of_number(totals_.next_feedback));
}

void StagedGroup::clear() {
  batch_.Clear();
  rows_.clear();
  twins_.clear();
  c2d_.clear();
  events_.clear();
  counts_changed_ = false;
  feedback_changed_ = false;
}

}  // namespace kyanite
