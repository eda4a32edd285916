#include "storage/rocksdb/store_check.h"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "protocol/base/json_limits.h"
#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/read_only_store.h"
#include "storage/telemetry_log.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kProgressEvery = 10'000;  // records

rocksdb::ReadOptions scan_options() {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  options.readahead_size = 1024 * 1024;
  return options;
}

// A key as an operator may read it: ids as they are, what is no text as hex.
std::string shown(std::string_view key) {
  std::string text;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else if (byte == 0) {
      text += '/';
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      text += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  while (text.ends_with('/')) text.pop_back();
  return text;
}

std::optional<Identity> parse_identity_key(std::string_view key) {
  const std::size_t zero = key.find('\0');
  if (zero == std::string_view::npos || zero == 0 || key.find('\0', zero + 1) != std::string_view::npos)
    return std::nullopt;
  return Identity{std::string(key.substr(0, zero)), std::string(key.substr(zero + 1))};
}

// The device and sequence of a message's key.
struct MessageKey {
  std::string_view device;
  std::uint64_t sequence = 0;
};
std::optional<MessageKey> message_key_of(std::string_view key) {
  const std::size_t zero = key.find('\0');
  if (zero == std::string_view::npos || zero == 0) return std::nullopt;
  const auto sequence = keys::message_sequence(key, key.substr(0, zero));
  if (!sequence) return std::nullopt;
  return MessageKey{key.substr(0, zero), *sequence};
}

bool is_object_text(const std::string& text) {
  const Result<Json> json = parse_json(text);
  return json && json->is_object();
}

class StoreChecker {
 public:
  StoreChecker(ReadOnlyStore& store, const StoreCheckHooks& hooks) : store_(store), hooks_(hooks) {
    counts_.format_version = store.facts().format_version;
    counts_.partitions = store.facts().partitions;
  }

  StoreCounts run() {
    check_log();
    check_tables();
    check_families();
    check_identities();
    check_twins();
    check_sessions();
    check_queues();
    check_expiries();
    check_feedback();
    check_hub();
    check_documents();
    for (std::uint32_t p = 0; p < counts_.partitions; ++p) check_partition(p);
    return counts_;
  }

 private:
  void find(const std::string& where, const std::string& what) const {
    if (hooks_.on_finding) hooks_.on_finding(where, what);
  }
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total = 0) const {
    if (hooks_.on_progress) hooks_.on_progress(what, done, total);
  }
  // Calls `each` with every row of the family; one that is absent has none.
  template <class Each>
  void scan(const std::string& family, Each each) {
    rocksdb::ColumnFamilyHandle* handle = store_.family(family);
    if (!handle) return;
    std::uint64_t rows = 0;
    const std::unique_ptr<rocksdb::Iterator> row(store_.db().NewIterator(scan_options(), handle));
    for (row->SeekToFirst(); row->Valid(); row->Next()) {
      each(row->key().ToStringView(), row->value().ToStringView());
      if (++rows % kProgressEvery == 0) progress(family, rows);
    }
    if (!row->status().ok()) find("family " + family, row->status().ToString());
  }
  std::optional<std::string> get(const char* family, const std::string& key) const {
    rocksdb::ColumnFamilyHandle* handle = store_.family(family);
    std::string bytes;
    if (!handle || !store_.db().Get(rocksdb::ReadOptions(), handle, key, &bytes).ok()) return std::nullopt;
    return bytes;
  }
  bool has(const char* family, const std::string& key) const { return get(family, key).has_value(); }
  bool has_device(std::string_view device) const {
    return has("identity", keys::of_identity({std::string(device), ""}));
  }

  void check_log();
  void check_tables();
  void check_families();
  void check_identities();
  void check_twins();
  void check_sessions();
  void check_queues();
  void check_queue_row(std::string_view key, std::string_view value);
  void check_expiries();
  void check_feedback();
  void check_hub();
  void check_documents();
  void check_partition(std::uint32_t partition);

  ReadOnlyStore& store_;
  const StoreCheckHooks& hooks_;
  StoreCounts counts_;
};

// In the words with which a hub refuses to start on it.
void StoreChecker::check_log() {
  const LogJudgement& log = store_.log_found();
  for (const LogLoss& loss : log.losses) find("write-ahead log", loss_text(loss));
  if (log.losses_in_all > log.losses.size())
    find("write-ahead log",
         "so in " + std::to_string(log.losses_in_all - log.losses.size()) + " places more");
  if (log.unfinished_file.empty()) return;
  if (log.is_cut_short) {
    if (hooks_.on_note) hooks_.on_note(unfinished_text(log));
  } else {
    find("write-ahead log", unfinished_text(log));
  }
}

void StoreChecker::check_tables() {
  std::vector<rocksdb::LiveFileMetaData> files;
  store_.db().GetLiveFilesMetaData(&files);
  std::uint64_t done = 0;
  for (const rocksdb::LiveFileMetaData& file : files) {
    progress("tables", done++, files.size());
    ++counts_.tables;
    counts_.table_bytes += file.size;
    const rocksdb::Options options(database_options(), record_family_options());
    const auto status =
        rocksdb::VerifySstFileChecksum(options, rocksdb::EnvOptions(), file.db_path + file.name);
    if (!status.ok()) find("table" + file.name + " of " + file.column_family_name, status.ToString());
  }
  progress("tables", done, files.size());
}

void StoreChecker::check_families() {
  std::vector<std::string> wanted{"identity", "twin", "hub"};
  if (counts_.format_version >= 2) {
    for (const char* name : {"session", "c2d", "c2d_body", "c2d_expiry", "feedback"})
      wanted.emplace_back(name);
  }
  if (counts_.format_version >= 3) wanted.emplace_back("document");
  for (std::uint32_t p = 0; p < counts_.partitions; ++p) wanted.push_back("telemetry." + std::to_string(p));
  for (const std::string& name : wanted) {
    if (!store_.family(name)) find("family " + name, "it is missing");
  }
}

void StoreChecker::check_identities() {
  std::uint64_t disabled = 0;
  std::string device;  // the last one: its modules follow it
  scan("identity", [&](std::string_view key, std::string_view value) {
    const std::string where = "identity " + shown(key);
    const auto id = parse_identity_key(key);
    if (!id) return find(where, "the key is none of an identity");
    if (id->is_module()) {
      ++counts_.modules;
      if (device != id->device) find(where, "its device is missing");
    } else {
      ++counts_.devices;
      device = id->device;
    }
    const Result<IdentityRecord> record = decode_identity(value);
    if (!record) return find(where, record.error().detail);
    if (!(record->id == *id)) find(where, "the record is that of another identity");
    if (!id->is_module() && record->status == IdentityStatus::disabled) ++disabled;
    if (!has("twin", std::string(key))) find(where, "the twin is missing");
  });
  const auto stored = get("default", std::string(keys::kIdentityCounts));
  const std::string actual = keys::of_number(counts_.devices) + keys::of_number(disabled);
  if (stored.value_or(keys::of_number(0) + keys::of_number(0)) != actual)
    find("identity counts", "the stored numbers of devices are not those that are there");
}

void StoreChecker::check_twins() {
  scan("twin", [&](std::string_view key, std::string_view value) {
    const std::string where = "twin " + shown(key);
    ++counts_.twins;
    if (!has("identity", std::string(key))) find(where, "the identity is missing");
    const Result<TwinRecord> twin = decode_twin(value);
    if (!twin) return find(where, twin.error().detail);
    for (const auto& [name, text] :
         {std::pair{"tags", &twin->tags}, {"desired", &twin->desired}, {"reported", &twin->reported}}) {
      if (!is_object_text(*text)) find(where, std::string(name) + " is no JSON object");
    }
  });
}

void StoreChecker::check_sessions() {
  scan("session", [&](std::string_view key, std::string_view value) {
    const std::string where = "session " + shown(key);
    ++counts_.sessions;
    if (!has("identity", std::string(key))) find(where, "the identity is missing");
    const Result<SessionRecord> session = decode_session(value);
    if (!session) return find(where, session.error().detail);
    if (keys::of_identity(session->id) != key) find(where, "the record is that of another identity");
  });
}

void StoreChecker::check_queues() {
  std::string device;
  std::uint64_t next = 1;  // of that device's queue
  scan("c2d", [&](std::string_view key, std::string_view value) {
    const std::string where = "message " + shown(key);
    if (keys::is_device(key) && key.find('\0') == key.size() - 1) {
      device = key.substr(0, key.size() - 1);
      const auto number = keys::to_number(value);
      if (!number) find("queue " + shown(key), "the next sequence is damaged");
      next = number.value_or(UINT64_MAX);
      if (!has_device(device)) find("queue " + shown(key), "the device is missing");
      return;
    }
    ++counts_.c2d_messages;
    const auto message = message_key_of(key);
    if (!message) return find(where, "the key is none of a message");
    if (message->device != device) {
      device = message->device;
      next = 1;
    }
    if (message->sequence >= next) find(where, "its sequence is not below the queue's next one");
    check_queue_row(key, value);
  });
  scan("c2d_body", [&](std::string_view key, std::string_view value) {
    const std::string where = "body of message " + shown(key);
    if (!has("c2d", std::string(key))) find(where, "the message is missing");
    const Result<C2dMessage> body = decode_c2d_message(value);
    if (!body) find(where, body.error().detail);
  });
}

void StoreChecker::check_queue_row(std::string_view key, std::string_view value) {
  const std::string where = "message " + shown(key);
  const auto message = message_key_of(key);
  const Result<C2dHeader> header = decode_c2d_header(message->sequence, value);
  if (!header) return find(where, header.error().detail);
  if (!has("c2d_body", std::string(key))) find(where, "the body is missing");
  if (!has("c2d_expiry", keys::of_expiry(header->expiry, key)))
    find(where, "the row of its expiry is missing");
  if (!has_device(message->device)) find(where, "the device is missing");
}

void StoreChecker::check_expiries() {
  scan("c2d_expiry", [&](std::string_view key, std::string_view) {
    const std::string where = "expiry " + shown(key.substr(std::min<std::size_t>(8, key.size())));
    if (key.size() <= 8 || !message_key_of(key.substr(8))) return find(where, "the key is none of an expiry");
    if (!has("c2d", std::string(key.substr(8)))) find(where, "the message is missing");
  });
}

void StoreChecker::check_feedback() {
  const auto stored = get("default", std::string(keys::kFeedbackNext));
  const std::uint64_t next = stored ? keys::to_number(*stored).value_or(0) : 1;
  scan("feedback", [&](std::string_view key, std::string_view value) {
    ++counts_.feedback;
    const auto sequence = keys::to_number(key);
    if (!sequence) return find("feedback " + shown(key), "the key is no sequence");
    const std::string where = "feedback " + std::to_string(*sequence);
    if (*sequence >= next) find(where, "its sequence is not below the next one");
    const Result<FeedbackRecord> record = decode_feedback(*sequence, value);
    if (!record) find(where, record.error().detail);
  });
}

void StoreChecker::check_hub() {
  bool policies = false;
  scan("hub", [&](std::string_view key, std::string_view value) {
    if (key == keys::kPolicies) {
      policies = true;
      const Result<std::vector<AccessPolicy>> decoded = decode_policies(value);
      if (!decoded) return find("policies", decoded.error().detail);
      std::set<std::string> names;
      for (const AccessPolicy& policy : *decoded) {
        if (!names.insert(policy.name).second) find("policies", policy.name + " is there twice");
      }
    } else if (key.starts_with(keys::kCaPrefix)) {
      const std::string where = "CA certificate " + shown(key.substr(keys::kCaPrefix.size()));
      const Result<CaCertificateRecord> record = decode_ca_certificate(value);
      if (!record) return find(where, record.error().detail);
      if (record->name != key.substr(keys::kCaPrefix.size())) find(where, "the record has another name");
    } else {
      find("hub record " + shown(key), "nothing of that name belongs there");
    }
  });
  if (!policies) find("policies", "they are missing");
}

void StoreChecker::check_documents() {
  scan("document", [&](std::string_view key, std::string_view value) {
    ++counts_.documents;
    if (key.empty() ||
        static_cast<std::uint8_t>(key[0]) > static_cast<std::uint8_t>(Collection::consumer_groups))
      return find("document " + shown(key), "its collection is unknown");
    const std::string where =
        "document " + std::to_string(static_cast<std::uint8_t>(key[0])) + " " + shown(key.substr(1));
    if (!is_object_text(std::string(value))) find(where, "it is no JSON object");
  });
}

void StoreChecker::check_partition(std::uint32_t partition) {
  const std::string family = "telemetry." + std::to_string(partition);
  const auto stored = get("default", keys::log_begin(partition));
  if (stored && !keys::to_number(*stored)) find(family, "the place where it begins is damaged");
  const std::uint64_t begin = stored ? keys::to_number(*stored).value_or(0) : 0;
  std::optional<std::uint64_t> last;
  WallTime last_enqueued{};
  scan(family, [&](std::string_view key, std::string_view value) {
    const auto offset = keys::to_number(key);
    if (!offset) return find(family, "a key is no offset: " + shown(key));
    if (*offset < begin) return;  // gone for readers; retention has not removed the file yet
    ++counts_.events;
    const std::string where = "event " + std::to_string(partition) + "@" + std::to_string(*offset);
    if (last && *offset != *last + 1)
      find(where, std::to_string(*offset - *last - 1) + " events before it are missing");
    last = *offset;
    const Result<TelemetryRecord> record = decode_telemetry(TelemetryOffset{*offset}, value);
    if (!record) return find(where, record.error().detail);
    if (record->enqueued < last_enqueued) find(where, "it is older than the one before it");
    last_enqueued = std::max(last_enqueued, record->enqueued);
    if (record->source == MessageSource::telemetry &&
        partition_of(record->sender.device, counts_.partitions).value != partition)
      find(where, "it belongs to another partition");
  });
}

}  // namespace

Result<StoreCounts> check_store(const std::filesystem::path& directory, const StoreCheckHooks& hooks) {
  const Result<std::unique_ptr<ReadOnlyStore>> store = ReadOnlyStore::open(directory);
  if (!store) return store.error();
  return StoreChecker(**store, hooks).run();
}

Result<StoreCounts> estimate_store(const std::filesystem::path& directory) {
  const Result<std::unique_ptr<ReadOnlyStore>> opened = ReadOnlyStore::open(directory);
  if (!opened) return opened.error();
  ReadOnlyStore& store = **opened;
  StoreCounts counts;
  counts.format_version = store.facts().format_version;
  counts.partitions = store.facts().partitions;
  std::vector<rocksdb::LiveFileMetaData> files;
  store.db().GetLiveFilesMetaData(&files);
  counts.tables = files.size();
  for (const rocksdb::LiveFileMetaData& file : files) counts.table_bytes += file.size;
  const auto rows = [&](const std::string& family) -> std::uint64_t {
    rocksdb::ColumnFamilyHandle* handle = store.family(family);
    std::uint64_t number = 0;
    if (handle) store.db().GetIntProperty(handle, rocksdb::DB::Properties::kEstimateNumKeys, &number);
    return number;
  };
  std::string bytes;
  if (store.db().Get(rocksdb::ReadOptions(), std::string(keys::kIdentityCounts), &bytes).ok())
    counts.devices = keys::to_number(std::string_view(bytes).substr(0, 8)).value_or(0);
  counts.twins = rows("twin");
  counts.modules = counts.twins - std::min(counts.twins, counts.devices);
  counts.sessions = rows("session");
  counts.c2d_messages = rows("c2d_body");
  counts.feedback = rows("feedback");
  counts.documents = rows("document");
  for (std::uint32_t p = 0; p < counts.partitions; ++p)
    counts.events += rows("telemetry." + std::to_string(p));
  return counts;
}

}  // namespace kyanite
