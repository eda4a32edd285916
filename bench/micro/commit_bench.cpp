// What group commit is worth (architecture section 1, "Commit"): telemetry through CommitQueue with so many
// records waiting, against one thread that writes and syncs each record by itself. Run: commit_bench
// [DIRECTORY]; the directory should be on the disk in question. Bounded to about ten seconds.

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/record_codec.h"
#include "storage/rocksdb/keys.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/rocksdb_stores.h"

namespace kyanite {
namespace {

constexpr double kSecondsEach = 1.5;
constexpr std::size_t kBodyBytes = 256;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string sample_record() {
  const Identity sender{"device-000001", ""};
  const PropertyBag bag;
  const std::string body(kBodyBytes, 'x');
  return encode_telemetry({sender, "638000000000000000", "{}", MessageSource::telemetry, "", bag, body});
}

// Keeps `waiting` records unacknowledged: each acknowledgement is answered with a new append, as devices with
// one publish in flight do.
class Senders final : public TelemetryAckSink {
 public:
  Senders(TelemetryLog& log, std::size_t waiting) : log_(log), waiting_(waiting), sent_at_(waiting) {}

  void on_committed(std::vector<Ack> acks) override {
    const double now = now_seconds();
    {
      const std::lock_guard lock(mutex_);
      for (const Ack& ack : acks) {
        latencies_.push_back(now - sent_at_[ack.sequence]);
        ready_.push_back(ack.sequence);
      }
    }
    wake_.notify_one();
  }

  void run() {
    for (std::size_t i = 0; i < waiting_; ++i) ready_.push_back(i);
    const double start = now_seconds();
    const double cpu = cpu_seconds();
    for (;;) {
      std::vector<std::uint64_t> slots;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return !ready_.empty(); });
        if (now_seconds() - start > kSecondsEach) {
          wake_.wait(lock, [&] { return ready_.size() == waiting_; });
          break;
        }
        slots.swap(ready_);
      }
      TelemetryBatch batch{this, {}};
      const double now = now_seconds();
      for (const std::uint64_t slot : slots) {
        sent_at_[slot] = now;
        batch.appends.push_back(
            {PartitionId{static_cast<std::uint32_t>(slot % 4)}, record_, {{}, slot}, true});
      }
      log_.append(std::move(batch));
    }
    elapsed_ = now_seconds() - start;
    cpu_ = cpu_seconds() - cpu;
  }

  double rate() const { return static_cast<double>(latencies_.size()) / elapsed_; }
  double cpu_microseconds_each() const { return cpu_ * 1e6 / static_cast<double>(latencies_.size()); }
  double latency_ms(double quantile) {
    const auto at =
        latencies_.begin() + static_cast<std::ptrdiff_t>(quantile * double(latencies_.size() - 1));
    std::nth_element(latencies_.begin(), at, latencies_.end());
    return *at * 1000;
  }

 private:
  TelemetryLog& log_;
  const std::size_t waiting_;
  const std::string record_ = sample_record();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::uint64_t> ready_;
  std::vector<double> sent_at_;
  std::vector<double> latencies_;
  double elapsed_ = 0;
  double cpu_ = 0;
};

double sync_each(const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory);
  rocksdb::Options options(database_options(), telemetry_family_options());
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, directory.string(), &opened).ok()) return 0;
  const std::unique_ptr<rocksdb::DB> db(opened);
  const std::string record = sample_record();
  rocksdb::WriteOptions durable;
  durable.sync = true;
  const double start = now_seconds();
  std::uint64_t written = 0;
  std::vector<double> latencies;
  while (now_seconds() - start < kSecondsEach) {
    const double before = now_seconds();
    if (!db->Put(durable, keys::of_number(written++), record).ok()) return 0;
    latencies.push_back(now_seconds() - before);
  }
  const double rate = static_cast<double>(written) / (now_seconds() - start);
  std::nth_element(latencies.begin(), latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() / 2),
                   latencies.end());
  std::printf("%-34s %10.0f /s   p50 %6.2f ms\n", "one thread, one fsync each", rate,
              latencies[latencies.size() / 2] * 1000);
  return rate;
}

void run(const std::filesystem::path& base) {
  std::printf("telemetry records of %zu bytes, fsync unless said otherwise, directory %s\n", kBodyBytes,
              base.c_str());
  const double alone = sync_each(base / "each");
  for (const auto& [durability, pace] :
       {std::pair{Durability::fsync, 0}, {Durability::fsync, 1}, {Durability::os, 1}}) {
    for (const std::size_t waiting : {1u, 16u, 256u, 4096u}) {
      if (durability == Durability::os && waiting < 256) continue;
      Settings::Storage settings;
      settings.durability = durability;
      settings.commit_pace = milliseconds(pace);
      const auto directory = base / "group";
      std::filesystem::remove_all(directory);
      auto stores = open_rocksdb_stores(directory, settings, {});
      if (!stores) return void(std::printf("cannot open: %s\n", stores.error().detail.c_str()));
      Senders senders((*stores)->telemetry(), waiting);
      senders.run();
      (*stores)->close();
      const std::string name = std::string(durability == Durability::os ? "os, " : "") +
                               std::to_string(waiting) + " waiting, pace " + std::to_string(pace) + " ms";
      std::printf("%-34s %10.0f /s   p50 %6.2f ms   p99 %6.2f ms   %5.1f us CPU each   %6.1f x\n",
                  name.c_str(), senders.rate(), senders.latency_ms(0.5), senders.latency_ms(0.99),
                  senders.cpu_microseconds_each(), senders.rate() / alone);
    }
  }
}

}  // namespace
}  // namespace kyanite

int main(int argc, char** argv) {
  const std::filesystem::path base = argc > 1
                                         ? std::filesystem::path(argv[1])
                                         : std::filesystem::temp_directory_path() / "kyanite-commit-bench";
  std::filesystem::create_directories(base);
  kyanite::run(base);
  std::filesystem::remove_all(base / "each");
  std::filesystem::remove_all(base / "group");
  return 0;
}
