#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <utility>

#include "config/validate.h"
#include "protocol/base/iso_time.h"
#include "server/app/application.h"
#include "server/app/first_start/files.h"
#include "server/app/first_start/host_names.h"
#include "server/app/hub_records.h"
#include "server/app/listen_check.h"
#include "server/app/start_block.h"
#include "server/app/version.h"
#include "server/hub/events_endpoint.h"
#include "server/net/tls_channel.h"
#include "server/observe/fail_stop.h"
#include "server/observe/log.h"
#include "storage/rocksdb/rocksdb_stores.h"

// How the hub is put together, from the store to the line that says it is ready.
namespace kyanite {
namespace {

constexpr int kExitStoreFailed = 70;
constexpr int kAdminBacklog = 256;
constexpr seconds kTroubleEvery{10};

// How a program on this machine reaches a listener.
ListenAddress local_address(const ListenAddress& listen, std::uint16_t port) {
  if (listen.address == "0.0.0.0" || listen.address == "::") return {std::string(kPlainHostName), port};
  return {listen.address, port};
}

// A failed commit leaves the end of the log unknown; a new start reads what is there (architecture section
// 8).
[[noreturn]] void stop_after_store_failure(const Error& error) {
  fail_stop(kExitStoreFailed, "store_failed", error.detail);
}

// Whoever asked is answered 503; the operator has to know which file it is. A damaged row may be asked for
// often.
void tell_of_trouble(const Error& error) {
  static std::atomic<std::int64_t> next_at{INT64_MIN};
  const SteadyTime now = std::chrono::steady_clock::now();
  std::int64_t due = next_at.load();
  if (now.time_since_epoch().count() < due) return;
  const SteadyTime again = now + kTroubleEvery;
  if (!next_at.compare_exchange_strong(due, again.time_since_epoch().count())) return;
  log::error(
      "store_read_failed",
      {{"reason", error.detail},
       {"remedy",
        "stop the hub, look with `kyanite check` and restore a backup; what does not need this part of "
        "the store goes on"}});
}

void tell_of_log(const LogJudgement& found) {
  if (found.losses_in_all > 0) {
    log::error(
        "store_changes_lost",
        {{"changes", found.changes_lost}, {"places", found.losses_in_all}, {"reason", losses_text(found)}});
  }
  if (found.unfinished_file.empty()) return;
  log::event(found.is_cut_short ? log::Level::info : log::Level::warning, "store_write_unfinished",
             {{"file", found.unfinished_file},
              {"bytes", found.unfinished_bytes},
              {"reason", unfinished_text(found)}});
}

void tell_of_clock_step(milliseconds ahead) {
  log::warning("clock_stepped",
               {{"ahead_s", std::chrono::duration_cast<seconds>(ahead).count()},
                {"reason",
                 "the wall clock ran ahead, or the machine slept: if this stays so for an hour, "
                 "retention removes telemetry by the new time; check the clock"}});
}

}  // namespace

Result<void> Application::open_store() {
  RocksdbHooks hooks;
  hooks.on_fatal = stop_after_store_failure;
  hooks.on_clock_step = tell_of_clock_step;
  hooks.on_trouble = tell_of_trouble;
  hooks.on_log_found = tell_of_log;
  hooks.wall_clock = [this] { return clock_.now(); };
  // A shift ahead must not make telemetry old, and what was stamped under a shift back is as old as it says.
  hooks.retention_clock = [this] { return HubClock::real_now() + std::min(clock_.shift(), milliseconds(0)); };
  auto stores = open_rocksdb_stores(directory_.store(), options_.settings.storage, std::move(hooks));
  if (!stores) return stores.error();
  stores_ = std::move(*stores);
  auto records = load_hub_records(*stores_);
  if (!records) return records.error();
  records_ = std::move(*records);
  if (const std::string& key = options_.settings.auth.owner_key; !key.empty()) {
    const auto changed = set_owner_key(*stores_, records_, key);
    if (!changed) return changed.error();
    if (*changed) log::info("owner_key_set", {{"policy", "iothubowner"}});
  }
  // A key of the store, too: one that was given with testControl stays when that is left out.
  const AccessPolicy owner = owner_of(records_.policies);
  for (const std::string& key : {owner.primary_key, owner.secondary_key}) {
    const auto address = open_to_strangers(key, options_.settings.listen);
    if (!address) continue;
    const Problem problem = published_key_problem(*address);
    if (!options_.settings.test_control) return Error(Errc::config_invalid, to_text({problem}));
    log::warning("published_owner_key", {{"reason", problem.what}, {"remedy", problem.remedy}});
  }
  first_policies_ = records_.policies;
  return {};
}

// Where devices upload to: an account of somebody else, or the hub itself, whose address follows.
Result<void> Application::open_blobs() {
  const Settings::FileUpload& rules = options_.settings.file_upload;
  if (!rules.enabled) return {};
  if (!rules.connection_string_file.empty()) {
    const auto text = read_file(rules.connection_string_file);
    if (!text) return text.error();
    auto account = parse_storage_connection_string(*text);
    if (!account) {
      return Error(Errc::config_invalid, rules.connection_string_file.string() +
                                             " (fileUpload.connectionStringFile) " + account.error().detail);
    }
    account->container = rules.container;
    remote_blobs_ = std::make_unique<RemoteBlobs>(*account);
    upload_storage_ = {std::move(*account), nullptr, remote_blobs_.get()};
    return {};
  }
  auto files = BlobFiles::open(directory_.store() / BlobFiles::kFolder,
                               {.blob_bytes_max = rules.blob_bytes_max,
                                .total_bytes_max = rules.total_bytes_max,
                                .block_life = 2 * rules.ttl},
                               [this] { return clock_.now(); });
  if (!files) return files.error();
  blob_files_ = std::move(*files);
  upload_storage_ = {
      {.name = "kyanite", .key = blob_files_->account_key(), .host = {}, .container = rules.container},
      blob_files_.get(),
      blob_files_.get()};
  return {};
}

void Application::build_shards() {
  readiness_ = std::make_unique<Readiness>(*stores_);
  shards_ = std::make_unique<ShardGroup>(options_.settings.hub.shards, &clock_);
  HubSecurity rules{.host_names = host_names_,
                    .policies = records_.policies,
                    .ca_certificates = records_.ca_certificates,
                    .rules = options_.settings.auth,
                    .bearer_keys = bearer_keys_};
  const auto security = std::make_shared<const HubSecurity>(rules);
  std::vector<DeviceRouter::ShardPorts> ports;
  for (unsigned i = 0; i < shards_->count(); ++i) {
    hub_shards_.push_back(
        std::make_unique<HubShard>(shards_->shard(i), *stores_, options_.settings, records_, security));
    ports.push_back({.executor = &shards_->shard(i),
                     .directory = &hub_shards_.back()->directory(),
                     .connections = nullptr});
  }
  router_ = std::make_unique<DeviceRouter>(std::move(ports));
  hub_file_ = std::make_unique<HubFileKeeper>(directory_.hub_json(), owner_of(records_.policies));
  administration_ = std::make_unique<HubAdministration>(
      shards_->shard(0), stores_->hub(), std::move(rules),
      [this](HubSecurityPtr changed, Task published) { publish_security(changed, std::move(published)); });
  clock_control_ = std::make_unique<ClockControl>(shards_->shard(0), [this](milliseconds shift) {
    clock_.set_shift(shift);
    log::warning("clock_shifted", {{"shift_ms", shift.count()}, {"now", to_iso_time(clock_.now())}});
  });
  throttles_ = std::make_unique<Throttles>(options_.settings.limits);
  feedback_ = std::make_unique<FeedbackQueue>(shards_->shard(0), stores_->feedback(), options_.settings.c2d);
  for (const auto& hub_shard : hub_shards_)
    hub_shard->directory().on_feedback([this] { feedback_->on_written(); });
  uploads_ = std::make_unique<FileUploads>(shards_->shard(0), stores_->documents(),
                                           options_.settings.file_upload, upload_storage_);
  uploads_->start();
  consumer_groups_ = std::make_unique<ConsumerGroups>(shards_->shard(0), stores_->documents());
  consumer_groups_->start();
  c2d_sweep_ = std::make_unique<C2dSweep>(shards_->shard(0), stores_->c2d(), *router_, *feedback_);
  jobs_ = std::make_unique<JobService>(shards_->shard(0), *router_, *stores_);
  configurations_ = std::make_unique<ConfigurationService>(shards_->shard(0), *router_, *stores_);
  if (options_.settings.test_control) {
    faults_ = std::make_unique<FaultControl>(
        shards_->shard(0), [this](const ActiveFaultsPtr& plan, Task published) {
          log::warning("faults_changed", {{"rules", plan ? plan->faults().size() : 0}});
          on_every_shard([plan](HubShard& hub_shard) { hub_shard.set_faults(plan); }, std::move(published));
        });
    snapshots_ = std::make_unique<SnapshotKeeper>(directory_.path(), *stores_);
    tests_ = std::make_unique<TestControl>(TestControl{*faults_, snapshots_.get()});
  }
  std::vector<HubShard*> all;
  for (const auto& hub_shard : hub_shards_) all.push_back(hub_shard.get());
  metrics_ = std::make_unique<MetricsService>(
      MetricsService::Sources{std::string(kVersion), std::move(all), *stores_, *throttles_, *readiness_});
  metrics_->set_certificate_expiry(certificate_.expires);
  operator_ = std::make_unique<OperatorDesk>(
      RunningHub{.data = directory_.path(),
                 .stores = *stores_,
                 .version = std::string(kVersion),
                 .host_names = host_names_,
                 .free_bytes_floor = options_.settings.storage.free_bytes_floor},
      [this] { return reload(); });
  const HubFacts facts{.version = std::string(kVersion),
                       .started = options_.started,
                       .started_at = HubClock::real_now(),
                       .ports = {.https = options_.settings.listen.https.port},
                       .incarnation = options_.incarnation};
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->connect({*router_, *stores_, *administration_, *feedback_, *jobs_, *configurations_, *uploads_,
                        *consumer_groups_, *clock_control_, *throttles_, options_.settings, tests_.get(),
                        *readiness_, *metrics_},
                       facts, security, observer_);
  }
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->join_counters(counters_);
    hub_shard->join_history(history_);
    hub_shard->set_ca(ca_pem());
  }
  for (const auto& hub_shard : hub_shards_) hub_shard->set_operator(*operator_);
  build_registry_jobs();
  build_bearer_fetcher();
  tell_of_low_disk();
  tell_of_test_control();
  c2d_sweep_->start();
  jobs_->start();
  configurations_->start();
  for (unsigned i = 0; i < shards_->count(); ++i) shards_->shard(i).watch_lag();
  clock_control_->on_shift(shards_->shard(0), [this](milliseconds) {
    c2d_sweep_->on_clock_shift();
    jobs_->on_clock_shift();
  });
  shards_->start();
}

void Application::build_registry_jobs() {
  const Settings& settings = options_.settings;
  blobs_ =
      std::make_unique<BlobWorker>(BlobWorker::Rules{.spool_folder = directory_.path(),
                                                     .folders = settings.import_export.folders,
                                                     .free_bytes_floor = settings.storage.free_bytes_floor});
  registry_jobs_ = std::make_unique<RegistryJobs>(shards_->shard(0), hub_shards_.front()->registry(),
                                                  *configurations_, *stores_, *blobs_);
  for (const auto& hub_shard : hub_shards_) hub_shard->set_registry_jobs(*registry_jobs_);
  registry_jobs_->start();
}

// Before anybody is served, so that whoever finds the hub ready finds the identities.
Result<void> Application::apply_seed() {
  if (options_.seed.empty()) return {};
  return apply_seed_at_start(*hub_shards_.front(), options_.settings.seed_file, *configurations_,
                             std::exchange(options_.seed, {}));
}

// A hub whose clock anybody with the owner's key may move must not be mistaken for one to rely on.
void Application::tell_of_test_control() {
  if (!options_.settings.test_control) return;
  log::warning(
      "test_control_on",
      {{"reason",
        "clients may shift this hub's clock, so that expired credentials become valid, and make it fail; "
        "use it for tests only"}});
}

// Devices only see that nothing is acknowledged any more; the operator has to know why.
void Application::tell_of_low_disk() {
  const std::uint64_t floor = options_.settings.storage.free_bytes_floor;
  stores_->on_pressure_change(shards_->shard(0), [was_low = false, floor, data = directory_.store().string()](
                                                     StorePressure now) mutable {
    const bool low = now == StorePressure::disk_low;
    if (low == was_low) return;
    was_low = low;
    if (low) {
      log::error("disk_low", {{"reason", "less free space than storage.freeBytesFloor: writes are refused"},
                              {"free_bytes_floor", floor},
                              {"data", data}});
    } else {
      log::info("disk_recovered", {{"data", data}});
    }
  });
}

// Before the others, so that it can say what they wait for. The default address gives way to other programs.
Result<void> Application::open_admin() {
  const Settings::Listeners& addresses = options_.settings.listen;
  if (!addresses.admin) return {};
  ListenerSettings listen;
  listen.address = to_string(*addresses.admin);
  listen.backlog = kAdminBacklog;
  int error_number = 0;
  auto opened = Listener::open(
      *shards_, listen, nullptr,
      [this](Shard& shard, std::unique_ptr<TlsStream> stream) {
        hub_shards_[shard.index()]->admin_http().accept(std::move(stream));
      },
      &error_number);
  if (opened) {
    admin_ = std::move(*opened);
    return {};
  }
  const Problem problem = listen_problem("listen.admin", "--admin", *addresses.admin, error_number);
  if (addresses.admin_was_chosen) return Error(Errc::io_failed, to_text({problem}));
  log::warning("admin_port_taken", {{"address", listen.address},
                                    {"reason", problem.what},
                                    {"remedy",
                                     "health, metrics and the dashboard without TLS are off; choose "
                                     "an address with --admin ADDR:PORT, or --admin off"}});
  return {};
}

Result<void> Application::open_listeners() {
  readiness_->set_phase(Readiness::Phase::opening_listeners);
  const Settings& settings = options_.settings;
  ListenerSettings listen;
  listen.handshake_time = settings.tls.handshake_timeout;
  listen.handshakes_per_shard = settings.tls.concurrent_handshakes;
  // Whoever does not trust the hub's certificate gets no further than this, and is looked for in the journal.
  const auto tell_failed = [this](DeviceProtocol protocol) {
    return [this, protocol](Shard& shard, const std::string& address, TlsFailure failure,
                            const std::string& problem) {
      hub_shards_[shard.index()]->journal().on_tls_failed(address, protocol, failure, problem);
    };
  };
  int error_number = 0;
  listen.on_failed = tell_failed(DeviceProtocol::mqtt);
  listen.address = to_string(settings.listen.mqtts);
  auto mqtts = Listener::open(
      *shards_, listen, mqtts_context_,
      [this](Shard& shard, std::unique_ptr<TlsStream> stream) {
        hub_shards_[shard.index()]->mqtt().accept(std::make_unique<TlsChannel>(std::move(stream)));
      },
      &error_number);
  if (!mqtts) {
    return Error(Errc::io_failed,
                 to_text({listen_problem("listen.mqtts", "--mqtts", settings.listen.mqtts, error_number)}));
  }
  mqtts_ = std::move(*mqtts);
  listen.on_failed = tell_failed(DeviceProtocol::https);
  listen.address = to_string(settings.listen.https);
  auto https = Listener::open(
      *shards_, listen, https_context_,
      [this](Shard& shard, std::unique_ptr<TlsStream> stream) {
        hub_shards_[shard.index()]->http().accept(std::move(stream));
      },
      &error_number, shards_->count() > 1 ? 1 : 0);
  if (!https) {
    return Error(Errc::io_failed,
                 to_text({listen_problem("listen.https", "--https", settings.listen.https, error_number)}));
  }
  https_ = std::move(*https);
  const auto accept_amqp = [this](Shard& shard, std::unique_ptr<TlsStream> stream) {
    hub_shards_[shard.index()]->amqp().accept(std::make_unique<TlsChannel>(std::move(stream)));
  };
  listen.on_failed = tell_failed(DeviceProtocol::amqp);
  const auto open_amqp = [&](const std::optional<ListenAddress>& address, std::unique_ptr<Listener>& into,
                             const char* key, const char* flag, bool with_tls) -> Result<void> {
    if (!address) return {};
    listen.address = to_string(*address);
    auto opened = Listener::open(*shards_, listen, with_tls ? mqtts_context_ : nullptr, accept_amqp,
                                 &error_number, shards_->count() > 2 ? 2 : 0);
    if (!opened) return Error(Errc::io_failed, to_text({listen_problem(key, flag, *address, error_number)}));
    into = std::move(*opened);
    return {};
  };
  if (auto done = open_amqp(settings.listen.amqps, amqps_, "listen.amqps", "--amqps", true); !done)
    return done;
  if (auto done = open_amqp(settings.listen.amqp, amqp_, "listen.amqp", "--amqp", false); !done) return done;
  tell_metrics_of_listeners();
  const HubPorts ports{https_->port(), amqps_ ? amqps_->port() : std::uint16_t{0},
                       amqp_ ? amqp_->port() : std::uint16_t{0}};
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([target = hub_shard.get(), ports] { target->set_ports(ports); });
  }
  return {};
}

void Application::tell_metrics_of_listeners() {
  std::vector<MetricsService::NamedListener> listeners;
  const auto add = [&](const char* name, const std::unique_ptr<Listener>& listener, bool with_tls) {
    if (listener) listeners.push_back({name, listener.get(), with_tls});
  };
  add("mqtts", mqtts_, true);
  add("https", https_, true);
  add("amqps", amqps_, true);
  add("amqp", amqp_, false);
  add("admin", admin_, false);
  metrics_->set_listeners(std::move(listeners));
}

// hub.json, the block for people and the line for machines.
Result<void> Application::announce() {
  readiness_->set_phase(Readiness::Phase::serving);  // whoever reads hub.json finds it so
  const EventsEndpoint events = events_endpoint(options_.settings, host_names_.front());
  const auto published = hub_file_->publish(
      {.host_name = host_names_.front(),
       .mqtts_port = mqtts_->port(),
       .https_port = https_->port(),
       .amqps_port = amqps_ ? amqps_->port() : std::uint16_t{0},
       .amqp_port = amqp_ ? amqp_->port() : std::uint16_t{0},
       .admin_port = admin_ ? admin_->port() : std::uint16_t{0},
       .https_connect = to_string(local_address(options_.settings.listen.https, https_->port())),
       .admin_connect =
           admin_ ? to_string(local_address(*options_.settings.listen.admin, admin_->port())) : std::string(),
       .service_connection_string = {},  // the keeper's, here and below
       .events_host_name = events.host_name,
       .events_entity = events.entity,
       .events_connection_string = {},
       .events_emulator_connection_string = {},
       .ca_file = certificate_.ca_file.string(),
       .pid = static_cast<int>(::getpid()),
       .data_directory = directory_.path().string(),
       .version = std::string(kVersion)});
  if (!published) return published.error();
  const HubFile& hub = *published;
  const ListenAddress mqtts{options_.settings.listen.mqtts.address, mqtts_->port()};
  const ListenAddress https{options_.settings.listen.https.address, https_->port()};
  std::optional<ListenAddress> amqps = options_.settings.listen.amqps;
  if (amqps_) amqps->port = amqps_->port();
  std::optional<ListenAddress> admin = admin_ ? options_.settings.listen.admin : std::nullopt;
  if (admin_) admin->port = admin_->port();
  if (options_.print_block) {
    const std::string block =
        start_block(hub,
                    {.mqtts = to_string(mqtts),
                     .https = to_string(https),
                     .amqps = to_string(amqps),
                     .admin = to_string(admin),
                     .admin_gave_way = !admin_ && options_.settings.listen.admin.has_value()},
                    name_was_chosen_, program_name(), ::isatty(STDOUT_FILENO) != 0);
    std::fwrite(block.data(), 1, block.size(), stdout);
  }
  if (options_.service_manager) options_.service_manager->ready("serving as " + hub.host_name);
  const auto start_time =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - options_.started);
  if (options_.print_ready_line) {
    const std::string line = ready_line(hub, start_time);
    std::fwrite(line.data(), 1, line.size(), stdout);
  }
  std::fflush(stdout);
  log::info("ready", {{"version", kVersion},
                      {"host", host_names_.front()},
                      {"mqtts", to_string(mqtts)},
                      {"https", to_string(https)},
                      {"amqps", to_string(amqps)},
                      {"admin", to_string(admin)},
                      {"data", hub.data_directory},
                      {"pid", hub.pid},
                      {"start_ms", start_time.count()}});
  return {};
}

}  // namespace kyanite
