#include "storage/rocksdb/options.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>
#include <memory>

namespace kyanite {
namespace {

constexpr std::size_t kMebibyte = 1024 * 1024;

rocksdb::CompressionType compression() {
  const auto available = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(available.begin(), available.end(), rocksdb::kLZ4Compression) != available.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

// One cache for the process: blocks, and the indexes and filters that would otherwise grow with the data.
std::shared_ptr<rocksdb::Cache> block_cache() {
  static const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(32 * kMebibyte);
  return cache;
}

rocksdb::ColumnFamilyOptions family_options(std::size_t block_bytes, bool point_reads) {
  rocksdb::ColumnFamilyOptions options;
  options.compression = compression();
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache();
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = block_bytes;
  table.format_version = 5;
  if (point_reads) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  // A torn tail is what an unsynced log looks like after a power cut; everything synced stands before it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_total_wal_size = 32 * kMebibyte;  // bounds what a restart after a crash replays: about 0.2 s
  options.db_write_buffer_size = 64 * kMebibyte;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.bytes_per_sync =
      kMebibyte;  // spreads the write-back of flushes, so that log syncs do not queue behind it
  // A background error stays: the next commit fails and the process stops (architecture section 8).
  options.max_bgerror_resume_count = 0;
  // Opening quickly: no replayed memtable is flushed, and tables are asked for their size alone.
  options.avoid_flush_during_recovery = true;
  options.skip_stats_update_on_db_open = true;
  options.max_file_opening_threads = 1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = kMebibyte;
  options.keep_log_file_num = 4;
  return options;
}

rocksdb::ColumnFamilyOptions record_family_options() {
  rocksdb::ColumnFamilyOptions options = family_options(4 * 1024, true);
  options.write_buffer_size = 8 * kMebibyte;
  return options;
}

rocksdb::ColumnFamilyOptions queue_family_options() {
  rocksdb::ColumnFamilyOptions options = family_options(4 * 1024, true);
  options.write_buffer_size = 8 * kMebibyte;
  // Rows of a queue live shortly: files that are mostly deletions are compacted soon, so that a walk from the
  // front does not pass what is long gone.
  options.table_properties_collector_factories = {rocksdb::NewCompactOnDeletionCollectorFactory(1024, 512)};
  return options;
}

rocksdb::ColumnFamilyOptions telemetry_family_options() {
  // Keys only grow, so flushed files never overlap and compaction moves them without rewriting. Where a
  // snapshot of the store was taken and released (a scan of identities, a walk of a queue), RocksDB rewrites
  // each file that it covered once, to drop the sequence numbers: then a byte is written twice.
  rocksdb::ColumnFamilyOptions options = family_options(16 * 1024, false);
  options.write_buffer_size = 16 * kMebibyte;
  return options;
}

}  // namespace kyanite
