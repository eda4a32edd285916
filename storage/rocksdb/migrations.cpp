#include "storage/rocksdb/migrations.h"

#include <algorithm>

#include "protocol/base/json_limits.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/status_error.h"

namespace kyanite {

std::string encode_format(const FormatRecord& record) {
  return dump_json(Json{{"version", record.version}, {"partitions", record.partitions}});
}

Result<FormatRecord> decode_format(std::string_view bytes) {
  const Result<Json> document = parse_json(bytes);
  if (!document || !document->is_object()) return Error(Errc::storage_failed, "the format record is damaged");
  FormatRecord record;
  for (const auto& [name, member] :
       {std::pair{"version", &record.version}, {"partitions", &record.partitions}}) {
    const auto found = document->find(name);
    if (found == document->end() || !found->is_number_unsigned() ||
        found->get<std::uint64_t>() > UINT32_MAX) {
      return Error(Errc::storage_failed, "the format record is damaged");
    }
    *member = found->get<std::uint32_t>();
  }
  return record;
}

std::vector<MigrationStep> migration_steps() {
  return {
      // 2: sessions, queues of messages and feedback. Their families are made empty before the steps run; the
      // number keeps programs away that would erase a device without them.
      {2, [](rocksdb::DB&, rocksdb::WriteBatch&) -> Result<void> { return {}; }},
      // 3: documents of hub-wide services, likewise.
      {3, [](rocksdb::DB&, rocksdb::WriteBatch&) -> Result<void> { return {}; }},
  };
}

Result<void> migrate(rocksdb::DB& db, FormatRecord found, std::uint32_t wanted,
                     const std::vector<MigrationStep>& steps) {
  while (found.version < wanted) {
    const std::uint32_t next = found.version + 1;
    const auto step =
        std::find_if(steps.begin(), steps.end(), [&](const MigrationStep& s) { return s.to == next; });
    if (step == steps.end()) {
      return Error(Errc::config_invalid,
                   "the store has format " + std::to_string(found.version) + ", too old for this program");
    }
    rocksdb::WriteBatch batch;
    if (const Result<void> ran = step->run(db, batch); !ran) return ran.error();
    found.version = next;
    batch.Put(std::string(keys::kFormat), encode_format(found));
    batch.Put(keys::migration(next), "{}");
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = db.Write(durable, &batch); !status.ok()) {
      return opening_error("migrating to format " + std::to_string(next), status);
    }
  }
  return {};
}

}  // namespace kyanite
