#include "storage/rocksdb/rocksdb_stores.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/utilities/checkpoint.h>

#include <atomic>
#include <system_error>
#include <utility>

#include "storage/rocksdb/c2d_store.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/document_store.h"
#include "storage/rocksdb/group_writer.h"
#include "storage/rocksdb/hub_store.h"
#include "storage/rocksdb/identity_store.h"
#include "storage/rocksdb/retention.h"
#include "storage/rocksdb/twin_store.h"

namespace kyanite {
namespace {

constexpr unsigned kRetentionEvery = 30;  // housekeeping ticks

WallTime system_wall_time() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

// RocksdbStores owns the engine's parts; members are destroyed in reverse order of use.
class RocksdbStores final : public Stores {
 public:
  static Result<std::unique_ptr<Stores>> open(const std::filesystem::path& directory,
                                              const Settings::Storage& settings, RocksdbHooks hooks);
  ~RocksdbStores() override { close(); }

  IdentityStore& identities() override { return identities_; }
  TwinStore& twins() override { return twins_; }
  SessionStore& sessions() override { return sessions_; }
  C2dStore& c2d() override { return c2d_; }
  FeedbackStore& feedback() override { return feedback_; }
  HubStore& hub() override { return hub_; }
  DocumentStore& documents() override { return documents_; }
  TelemetryLog& telemetry() override { return *log_; }
  StorePressure pressure() const override { return gauge_->value(); }
  void on_pressure_change(Executor& home, std::function<void(StorePressure)> listener) override {
    gauge_->add_listener(home, std::move(listener));
  }
  void statistics(Reply<StoreStatistics> reply) override;
  void close() override;
  Result<void> checkpoint(const std::filesystem::path& directory);

 private:
  struct Parts {
    std::unique_ptr<rocksdb::Env> env;
    std::unique_ptr<Database> database;
    std::unique_ptr<RocksdbTelemetryLog> log;
    StagedGroup::Totals totals;
    std::uint64_t losses_accepted = 0;
  };
  RocksdbStores(Parts parts, const Settings::Storage& settings, RocksdbHooks hooks);
  void housekeep();
  void tell_of_trouble(const Error& error);
  void watch_disk();
  Result<StoreStatistics> gather_statistics();

  const RocksdbHooks hooks_;
  const std::uint64_t free_bytes_floor_;
  const std::shared_ptr<PressureGauge> gauge_ = std::make_shared<PressureGauge>();
  const std::unique_ptr<rocksdb::Env> env_;
  const std::unique_ptr<Database> database_;
  const std::unique_ptr<RocksdbTelemetryLog> log_;
  GroupWriter writer_;
  CommitQueue queue_;
  Retention retention_;
  unsigned ticks_ = 0;
  const std::uint64_t losses_accepted_;
  std::atomic<std::uint64_t> read_failures_ = 0;
  ReadPool readers_;
  const StoreContext context_;
  RocksdbIdentityStore identities_;
  RocksdbTwinStore twins_;
  RocksdbSessionStore sessions_;
  RocksdbC2dStore c2d_;
  RocksdbFeedbackStore feedback_;
  RocksdbHubStore hub_;
  RocksdbDocumentStore documents_;
};

Result<std::unique_ptr<Stores>> RocksdbStores::open(const std::filesystem::path& directory,
                                                    const Settings::Storage& settings, RocksdbHooks hooks) {
  Parts parts;
  Database::Options options;
  options.partitions = settings.telemetry_partitions;
  options.durability = settings.durability;
  options.accept_damage = settings.accept_damage;
  if (hooks.on_fatal) {
    hooks.on_fatal = [told = std::make_shared<std::atomic_flag>(),
                      on_fatal = std::move(hooks.on_fatal)](const Error& error) {
      if (!told->test_and_set()) on_fatal(error);
    };
    options.on_background_failure = hooks.on_fatal;
  }
  if (hooks.file_system) {
    parts.env = rocksdb::NewCompositeEnv(hooks.file_system);
    options.env = parts.env.get();
  }
  Result<std::unique_ptr<Database>> database = Database::open(directory, options);
  if (!database) return database.error();
  parts.database = std::move(*database);
  const LogJudgement& found = parts.database->log_found();
  parts.losses_accepted = found.losses_in_all;
  if (hooks.on_log_found && (found.losses_in_all > 0 || !found.unfinished_file.empty()))
    hooks.on_log_found(found);
  Result<std::unique_ptr<RocksdbTelemetryLog>> log = RocksdbTelemetryLog::recover(*parts.database);
  if (!log) return log.error();
  parts.log = std::move(*log);
  const Result<IdentityCounts> counts = read_counts(*parts.database);
  if (!counts) return counts.error();
  parts.totals.counts = *counts;
  const Result<std::uint64_t> next_feedback = read_next_feedback(*parts.database);
  if (!next_feedback) return next_feedback.error();
  parts.totals.next_feedback = *next_feedback;
  if (const Result<void> counted = count_start(*parts.database); !counted) return counted.error();
  if (!hooks.wall_clock) hooks.wall_clock = system_wall_time;
  if (!hooks.retention_clock) hooks.retention_clock = hooks.wall_clock;
  if (!hooks.steady_clock) hooks.steady_clock = [] { return std::chrono::steady_clock::now(); };
  if (!hooks.free_bytes) {
    hooks.free_bytes = [directory] {
      std::error_code error;
      const auto space = std::filesystem::space(directory, error);
      return error ? UINT64_MAX : space.available;  // a file system that cannot say is not called full
    };
  }
  return std::unique_ptr<Stores>(new RocksdbStores(std::move(parts), settings, std::move(hooks)));
}

RocksdbStores::RocksdbStores(Parts parts, const Settings::Storage& settings, RocksdbHooks hooks)
    : hooks_(std::move(hooks)),
      free_bytes_floor_(settings.free_bytes_floor),
      env_(std::move(parts.env)),
      database_(std::move(parts.database)),
      log_(std::move(parts.log)),
      writer_(*database_, *log_, settings.durability, parts.totals, hooks_.wall_clock,
              [this](const Error& error) { tell_of_trouble(error); }),
      queue_(writer_, gauge_, CommitQueue::Limits{.pace = settings.commit_pace}, hooks_.on_fatal),
      retention_(
          *database_, *log_, queue_, settings,
          {.wall = hooks_.retention_clock, .steady = hooks_.steady_clock, .on_step = hooks_.on_clock_step}),
      losses_accepted_(parts.losses_accepted),
      readers_(
          ReadPool::Options{.housekeeping_interval = hooks_.housekeeping_interval}, [this] { housekeep(); },
          hooks_.on_fatal, [this](const Error& error) { tell_of_trouble(error); }),
      context_{*database_, queue_, readers_, *gauge_},
      identities_(context_),
      twins_(context_),
      sessions_(context_),
      c2d_(context_),
      feedback_(context_),
      hub_(context_),
      documents_(context_) {
  log_->connect(queue_, readers_);
  watch_disk();
}

void RocksdbStores::close() {
  queue_.close();
  log_->end_waits(Error(Errc::shutting_down, "the store is closed"));
  readers_.close();
  database_->shorten_recovery();
}

void RocksdbStores::statistics(Reply<StoreStatistics> reply) {
  readers_.run<StoreStatistics>(std::move(reply), [this] { return gather_statistics(); });
}

Result<StoreStatistics> RocksdbStores::gather_statistics() {
  StoreStatistics out;
  const CommitQueue::Statistics commits = queue_.statistics();
  out.group_operations = commits.group_operations;
  out.commit_seconds = commits.commit_seconds;
  out.telemetry_seconds = commits.telemetry_seconds;
  out.waiting_operations = commits.waiting_operations;
  out.waiting_bytes = commits.waiting_bytes;
  out.waiting_reads = readers_.waiting();
  rocksdb::DB& db = database_->db();
  // A property that cannot be read stays 0.
  db.GetAggregatedIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &out.table_bytes);
  db.GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &out.memory_bytes);
  out.free_bytes = hooks_.free_bytes();
  out.losses_accepted = losses_accepted_;
  out.read_failures = read_failures_.load();
  auto counts = read_counts(*database_);
  if (!counts) return counts.error();
  out.identities = *counts;
  // A message's row there is written once and deleted once, so that the estimate is close.
  db.GetIntProperty(database_->c2d_expiry(), rocksdb::DB::Properties::kEstimateNumKeys, &out.c2d_queued);
  return out;
}

Result<void> RocksdbStores::checkpoint(const std::filesystem::path& directory) {
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(&database_->db(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory.string());
  if (!status.ok()) return Error(Errc::io_failed, "no copy of the store: " + status.ToString());
  return {};
}

void RocksdbStores::tell_of_trouble(const Error& error) {
  read_failures_.fetch_add(1);
  if (hooks_.on_trouble) hooks_.on_trouble(error);
}

void RocksdbStores::housekeep() {
  watch_disk();
  if (ticks_++ % kRetentionEvery == 0) retention_.run();
}

// Writes are refused while the file system still has room, since RocksDB cannot go on from a failed one. An
// eighth more than the floor must be free again before they are taken, so that the state does not flap.
void RocksdbStores::watch_disk() {
  const std::uint64_t free = hooks_.free_bytes();
  const bool was_low = gauge_->disk_low.load();
  const std::uint64_t wanted = was_low ? free_bytes_floor_ + free_bytes_floor_ / 8 : free_bytes_floor_;
  const bool low = free < wanted;
  if (low == was_low) return;
  gauge_->disk_low.store(low);
  gauge_->notify();
}

}  // namespace

Result<std::unique_ptr<Stores>> open_rocksdb_stores(const std::filesystem::path& directory,
                                                    const Settings::Storage& settings, RocksdbHooks hooks) {
  return RocksdbStores::open(directory, settings, std::move(hooks));
}

Result<void> checkpoint_rocksdb_stores(Stores& stores, const std::filesystem::path& directory) {
  auto* rocksdb_stores = dynamic_cast<RocksdbStores*>(&stores);
  KYANITE_ASSERT(rocksdb_stores != nullptr);
  return rocksdb_stores->checkpoint(directory);
}

}  // namespace kyanite
