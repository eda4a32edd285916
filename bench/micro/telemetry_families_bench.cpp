// Where telemetry goes in RocksDB (architecture section 1, "Telemetry log"): one column family for each
// partition, one family with the partition as prefix, and one value for a group's records of a partition.
// Written as the commit thread does (groups of 256, no sync, so that the disk's sync does not hide the rest),
// until everything is flushed and compacted. Run: telemetry_families_bench [DIRECTORY]. Bounded by bytes,
// about ten seconds.

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/options.h"

namespace kyanite {
namespace {

constexpr std::size_t kPartitions = 4;
constexpr std::size_t kGroup = 256;
constexpr std::size_t kBytesEach = 384u << 20;  // written by each variant

enum class Layout { family_each, prefix, value_per_group };

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Half random, half text that compresses, as JSON readings do.
std::string make_body(std::size_t bytes, std::mt19937& random) {
  std::string body(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) body[i] = i % 2 ? static_cast<char>(random() & 0xff) : 'a';
  return body;
}

struct Writer {
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::shared_ptr<rocksdb::Statistics> statistics = rocksdb::CreateDBStatistics();

  bool open(const std::filesystem::path& directory, std::size_t count) {
    std::filesystem::remove_all(directory);
    rocksdb::DBOptions options = database_options();
    options.create_missing_column_families = true;
    options.statistics = statistics;
    std::vector<rocksdb::ColumnFamilyDescriptor> described{{"default", telemetry_family_options()}};
    for (std::size_t i = 1; i < count; ++i)
      described.push_back({std::to_string(i), telemetry_family_options()});
    rocksdb::DB* opened = nullptr;
    if (!rocksdb::DB::Open(options, directory.string(), described, &families, &opened).ok()) return false;
    db.reset(opened);
    return true;
  }
  // Flushes and compactions, those not yet begun included.
  void wait_until_settled() const {
    for (bool busy = true; busy; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
      busy = false;
      for (auto* family : families) {
        for (const auto& property :
             {rocksdb::DB::Properties::kCompactionPending, rocksdb::DB::Properties::kNumRunningCompactions,
              rocksdb::DB::Properties::kNumRunningFlushes}) {
          std::uint64_t value = 0;
          busy = busy || (db->GetIntProperty(family, property, &value) && value > 0);
        }
      }
    }
  }
  ~Writer() {
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
  }
};

// Records are dealt over the partitions at random, as devices are by their hash.
void fill(rocksdb::WriteBatch& batch, Writer& writer, Layout layout, const std::vector<std::string>& bodies,
          std::vector<std::uint64_t>& next, std::mt19937& random) {
  std::vector<std::string> joined(kPartitions);
  std::vector<std::uint64_t> base = next;
  for (std::size_t i = 0; i < kGroup; ++i) {
    const std::size_t partition = random() % kPartitions;
    const std::string& body = bodies[random() % bodies.size()];
    const std::string offset = keys::of_number(next[partition]++);
    switch (layout) {
      case Layout::family_each:
        batch.Put(writer.families[partition], offset, body);
        break;
      case Layout::prefix:
        batch.Put(writer.families[0], static_cast<char>(partition) + offset, body);
        break;
      case Layout::value_per_group:
        joined[partition] += body;
        break;
    }
  }
  if (layout != Layout::value_per_group) return;
  for (std::size_t p = 0; p < kPartitions; ++p) {
    if (!joined[p].empty()) batch.Put(writer.families[p], keys::of_number(base[p]), joined[p]);
  }
}

void run(const std::filesystem::path& directory, const char* name, Layout layout, std::size_t body_bytes) {
  Writer writer;
  if (!writer.open(directory, layout == Layout::prefix ? 1 : kPartitions))
    return void(std::printf("cannot open\n"));
  std::mt19937 random(1);
  std::vector<std::string> bodies;
  for (int i = 0; i < 256; ++i) bodies.push_back(make_body(body_bytes, random));
  std::vector<std::uint64_t> next(kPartitions, 0);
  const std::size_t groups = kBytesEach / (kGroup * body_bytes);
  const double start = now_seconds();
  const auto cpu = std::clock();
  rocksdb::WriteBatch batch;
  for (std::size_t g = 0; g < groups; ++g) {
    batch.Clear();
    fill(batch, writer, layout, bodies, next, random);
    if (!writer.db->Write(rocksdb::WriteOptions(), &batch).ok()) return void(std::printf("cannot write\n"));
  }
  const double written = now_seconds() - start;
  writer.db->Flush(rocksdb::FlushOptions(), writer.families);
  writer.wait_until_settled();
  const double settled = now_seconds() - start;
  const double cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  const auto flushed = static_cast<double>(writer.statistics->getTickerCount(rocksdb::FLUSH_WRITE_BYTES));
  const auto compacted = static_cast<double>(writer.statistics->getTickerCount(rocksdb::COMPACT_WRITE_BYTES));
  const double records = static_cast<double>(groups * kGroup);
  const double bytes = records * static_cast<double>(body_bytes);
  std::printf(
      "%5zu B  %-32s %9.0f msgs/s (%9.0f settled)  %5.2f us CPU each  files written / payload %4.2f"
      "  compaction rewrote %4.2f of the flushed\n",
      body_bytes, name, records / written, records / settled, cpu_seconds * 1e6 / records,
      (flushed + compacted) / bytes, flushed > 0 ? compacted / flushed : 0);
}

}  // namespace
}  // namespace kyanite

int main(int argc, char** argv) {
  using kyanite::Layout;
  const std::filesystem::path base = argc > 1
                                         ? std::filesystem::path(argv[1])
                                         : std::filesystem::temp_directory_path() / "kyanite-families-bench";
  for (const std::size_t body : {256u, 1024u}) {
    kyanite::run(base, "one family for each partition", Layout::family_each, body);
    kyanite::run(base, "one family, partition as prefix", Layout::prefix, body);
    kyanite::run(base, "one value for a group", Layout::value_per_group, body);
  }
  std::filesystem::remove_all(base);
  return 0;
}
