#include "storage/rocksdb/c2d_store.h"

#include <rocksdb/snapshot.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/staged_group.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {
namespace {

std::unique_ptr<rocksdb::Iterator> rows_until(Database& database, rocksdb::ColumnFamilyHandle* family,
                                              const rocksdb::Slice* bound,
                                              const rocksdb::Snapshot* snapshot = nullptr) {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = bound;
  options.snapshot = snapshot;
  return std::unique_ptr<rocksdb::Iterator>(database.db().NewIterator(options, family));
}

Result<void> stage_append(StagedGroup& group, const std::string& device, const C2dHeader& header,
                          const std::string& body) {
  const Result<bool> registered = group.exists(keys::of_identity({device, ""}));
  if (!registered) return registered.error();
  // Rows without their device would be delivered to the next one of that name.
  if (!*registered) return Error(Errc::device_not_found);
  const Result<std::uint64_t> next = group.c2d().next_sequence(device);
  if (!next) return next.error();
  if (header.sequence < *next) {
    return Error(Errc::precondition_failed, "the queue is not as its owner saw it");
  }
  group.c2d().append(device, header, body);
  return {};
}

// Everything that may fail comes before the first row is added: what is in the group is committed.
Result<void> stage_outcome(StagedGroup& group, C2dOutcome& outcome) {
  StagedC2d& queue = group.c2d();
  const std::set<std::uint64_t> gone(outcome.removed.begin(), outcome.removed.end());
  std::vector<C2dHeader> removed;
  for (const std::uint64_t sequence : gone) {
    Result<std::optional<C2dHeader>> header = queue.find(outcome.device, sequence);
    if (!header) return header.error();
    if (*header) removed.push_back(std::move(**header));
  }
  std::vector<C2dHeader> delivered;
  for (const C2dOutcome::Delivery& delivery : outcome.deliveries) {
    if (gone.contains(delivery.sequence)) continue;
    Result<std::optional<C2dHeader>> header = queue.find(outcome.device, delivery.sequence);
    if (!header) return header.error();
    if (!*header) continue;
    delivered.push_back(std::move(**header));
    delivered.back().delivery_count = delivery.delivery_count;
    delivered.back().was_sent = delivery.was_sent;
  }
  for (const C2dHeader& header : removed) queue.erase(outcome.device, header);
  for (const C2dHeader& header : delivered) queue.update(outcome.device, header);
  for (FeedbackRecord& record : outcome.feedback) group.put_feedback(std::move(record));
  return {};
}

struct MessagePage {
  std::string device;
  std::uint64_t from = 0;
  std::size_t max_messages = 0;
  std::size_t max_bytes = 0;
};

// Headers and bodies have the same keys, so two iterators walk side by side.
Result<std::vector<C2dMessage>> read_messages(Database& database, const MessagePage& wanted) {
  const std::string last = keys::after_device(wanted.device);
  const rocksdb::Slice bound(last);
  rocksdb::ManagedSnapshot moment(&database.db());
  const auto header_row = rows_until(database, database.c2d(), &bound, moment.snapshot());
  const auto body_row = rows_until(database, database.c2d_body(), &bound, moment.snapshot());
  const std::string first = keys::of_message(wanted.device, wanted.from);
  std::vector<C2dMessage> page;
  std::size_t bytes = 0;
  header_row->Seek(first);
  body_row->Seek(first);
  for (; header_row->Valid() && page.size() < wanted.max_messages; header_row->Next(), body_row->Next()) {
    const auto sequence = keys::message_sequence(header_row->key().ToStringView(), wanted.device);
    if (!sequence || !body_row->Valid() || body_row->key() != header_row->key()) {
      return Error(Errc::storage_failed, "a queued message lacks its body");
    }
    Result<C2dHeader> header = decode_c2d_header(*sequence, header_row->value().ToStringView());
    if (!header) return header.error();
    Result<C2dMessage> message = decode_c2d_message(body_row->value().ToStringView());
    if (!message) return message.error();
    message->device = wanted.device;
    message->header = std::move(*header);
    bytes += c2d_page_bytes(*message);
    if (bytes > wanted.max_bytes && !page.empty()) break;
    page.push_back(std::move(*message));
  }
  for (const auto* row : {&header_row, &body_row}) {
    if (!(*row)->status().ok()) return storage_error("reading messages", (*row)->status());
  }
  return page;
}

Result<std::vector<std::string>> read_expired(Database& database, WallTime now, std::size_t limit) {
  const std::string last = keys::of_expiry(now + milliseconds(1));
  const rocksdb::Slice bound(last);
  const auto row = rows_until(database, database.c2d_expiry(), &bound);
  std::vector<std::string> devices;
  std::set<std::string, std::less<>> known;
  for (row->SeekToFirst(); row->Valid() && devices.size() < limit; row->Next()) {
    const auto device = keys::device_of_expiry(row->key().ToStringView());
    if (!device) return Error(Errc::storage_failed, "a row of the expiry index is damaged");
    if (known.contains(*device)) continue;
    known.emplace(*device);
    devices.emplace_back(*device);
  }
  if (!row->status().ok()) return storage_error("reading the expiry index", row->status());
  return devices;
}

Result<std::vector<FeedbackRecord>> read_feedback(Database& database, std::uint64_t after,
                                                  std::size_t limit) {
  std::vector<FeedbackRecord> page;
  if (after == UINT64_MAX) return page;
  const auto row = rows_until(database, database.feedback(), nullptr);
  for (row->Seek(keys::of_number(after + 1)); row->Valid() && page.size() < limit; row->Next()) {
    const auto sequence = keys::to_number(row->key().ToStringView());
    if (!sequence) return Error(Errc::storage_failed, "a feedback key is damaged");
    Result<FeedbackRecord> record = decode_feedback(*sequence, row->value().ToStringView());
    if (!record) return record.error();
    page.push_back(std::move(*record));
  }
  if (!row->status().ok()) return storage_error("reading feedback", row->status());
  return page;
}

}  // namespace

Result<std::uint64_t> read_next_feedback(Database& database) {
  std::string bytes;
  const auto status = database.db().Get(rocksdb::ReadOptions(), std::string(keys::kFeedbackNext), &bytes);
  if (status.IsNotFound()) return 1;
  if (!status.ok()) return storage_error("reading the end of the feedback", status);
  const auto next = keys::to_number(bytes);
  if (!next) return Error(Errc::storage_failed, "the end of the feedback is damaged");
  return *next;
}

void RocksdbC2dStore::append(C2dMessage message, Reply<void> reply) {
  std::string body = encode_c2d_message(message);
  const std::size_t bytes = kStepBytes + message.header.message_id.size() + body.size();
  context_.write(
      [device = std::move(message.device), header = std::move(message.header),
       body = std::move(body)](StagedGroup& group) { return stage_append(group, device, header, body); },
      bytes, std::move(reply));
}

void RocksdbC2dStore::read(std::string device, std::uint64_t from, std::size_t max_messages,
                           std::size_t max_bytes, Reply<std::vector<C2dMessage>> reply) {
  context_.readers.run<std::vector<C2dMessage>>(
      std::move(reply), [this, wanted = MessagePage{std::move(device), from, max_messages, max_bytes}] {
        return read_messages(context_.database, wanted);
      });
}

void RocksdbC2dStore::settle(C2dOutcome outcome, Reply<void> reply) {
  std::size_t bytes = kStepBytes * (1 + outcome.removed.size() + outcome.deliveries.size());
  for (const FeedbackRecord& record : outcome.feedback) {
    bytes += kStepBytes + record.original_message_id.size() + record.device.size();
  }
  context_.make_room(
      [outcome = std::move(outcome)](StagedGroup& group) mutable { return stage_outcome(group, outcome); },
      bytes, std::move(reply));
}

void RocksdbC2dStore::expired(WallTime now, std::size_t limit, Reply<std::vector<std::string>> reply) {
  context_.readers.run<std::vector<std::string>>(
      std::move(reply), [this, now, limit] { return read_expired(context_.database, now, limit); });
}

void RocksdbFeedbackStore::read(std::uint64_t after, std::size_t limit,
                                Reply<std::vector<FeedbackRecord>> reply) {
  context_.readers.run<std::vector<FeedbackRecord>>(
      std::move(reply), [this, after, limit] { return read_feedback(context_.database, after, limit); });
}

void RocksdbFeedbackStore::erase(std::vector<std::uint64_t> sequences, Reply<void> reply) {
  const std::size_t bytes = kStepBytes + 32 * sequences.size();
  context_.make_room(
      [sequences = std::move(sequences)](StagedGroup& group) -> Result<void> {
        for (const std::uint64_t sequence : sequences) {
          group.batch().Delete(group.database().feedback(), keys::of_number(sequence));
        }
        return {};
      },
      bytes, std::move(reply));
}

}  // namespace kyanite
