#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace kyanite {

// The version of the database as a whole; records have versions of their own. Raise it with a migration step.
inline constexpr std::uint32_t kFormatVersion = 3;

// What `default/format` holds.
struct FormatRecord {
  std::uint32_t version = kFormatVersion;
  std::uint32_t partitions =
      0;  // telemetry partitions; devices are dealt over them by hash, so it never changes
};
std::string encode_format(const FormatRecord& record);
Result<FormatRecord> decode_format(std::string_view bytes);

// Brings a database from version `to - 1` to version `to`. What it adds to the batch is committed together
// with the new version, so a step happened or did not.
struct MigrationStep {
  std::uint32_t to = 0;
  std::function<Result<void>(rocksdb::DB&, rocksdb::WriteBatch&)> run;
};

// Every step ever needed, in order.
std::vector<MigrationStep> migration_steps();

// Runs the steps from `found` up to `wanted`, each in one synced write that records it under migration/<n>.
Result<void> migrate(rocksdb::DB& db, FormatRecord found, std::uint32_t wanted,
                     const std::vector<MigrationStep>& steps);

}  // namespace kyanite
