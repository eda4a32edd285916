#include "server/app/application.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "protocol/base/iso_time.h"
#include "server/api/twin_json.h"
#include "server/app/first_start/files.h"
#include "server/app/first_start/host_names.h"
#include "server/app/first_start/pki.h"
#include "server/app/hub_records.h"
#include "server/app/listen_check.h"
#include "server/app/signals.h"
#include "server/app/start_block.h"
#include "server/app/version.h"
#include "server/net/tls_channel.h"
#include "server/observe/fail_stop.h"
#include "server/observe/log.h"
#include "storage/rocksdb/rocksdb_stores.h"

namespace kyanite {
namespace {

constexpr int kExitStoreFailed = 70;
// Often, since a machine without a battery learns the date some time after its start.
constexpr milliseconds kCertificateCheckEvery = std::chrono::minutes(1);
constexpr std::chrono::hours kRemindEvery{24};
constexpr milliseconds kDrainPoll{10};
constexpr milliseconds kFlushPoll{1};
constexpr std::string_view kOwnerPolicy = "iothubowner";

// Every connection is a descriptor: take all the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// How a program on this machine reaches a listener.
ListenAddress local_address(const ListenAddress& listen, std::uint16_t port) {
  if (listen.address == "0.0.0.0" || listen.address == "::") return {std::string(kPlainHostName), port};
  return {listen.address, port};
}

// The policy that hub.json speaks for; without a key when an operator's store lacks it.
AccessPolicy owner_of(const std::vector<AccessPolicy>& policies) {
  const AccessPolicy* owner = find_policy(policies, kOwnerPolicy);
  return owner ? *owner : AccessPolicy{std::string(kOwnerPolicy), "", "", {}};
}

// A failed commit leaves the end of the log unknown; a new start reads what is there (architecture section
// 8).
[[noreturn]] void stop_after_store_failure(const Error& error) {
  fail_stop(kExitStoreFailed, "store_failed", error.detail);
}

void tell_of_clock_step(milliseconds ahead) {
  log::warning("clock_stepped",
               {{"ahead_s", std::chrono::duration_cast<seconds>(ahead).count()},
                {"reason",
                 "the wall clock ran ahead, or the machine slept: if this stays so for an hour, "
                 "retention removes telemetry by the new time; check the clock"}});
}

}  // namespace

Application::Application(Options options, DataDirectory directory)
    : options_(std::move(options)), directory_(std::move(directory)) {}

Result<std::unique_ptr<Application>> Application::start(Options options, DataDirectory directory) {
  std::unique_ptr<Application> app(new Application(std::move(options), std::move(directory)));
  raise_descriptor_limit();
  ::unlink(app->directory_.hub_json().c_str());  // of a hub that was killed
  if (auto done = app->open_store(); !done) return done.error();
  if (auto done = app->open_blobs(); !done) return done.error();
  if (auto done = app->load_certificate(); !done) return done.error();
  if (auto done = app->load_bearer_keys(); !done) return done.error();
  app->build_shards();
  if (auto done = app->apply_seed(); !done) return done.error();
  if (auto done = app->open_listeners(); !done) return done.error();
  if (auto done = app->announce(); !done) return done.error();
  return app;
}

Application::~Application() { stop_engine(); }

Result<void> Application::open_store() {
  RocksdbHooks hooks;
  hooks.on_fatal = stop_after_store_failure;
  hooks.on_clock_step = tell_of_clock_step;
  hooks.wall_clock = [this] { return clock_.now(); };
  // A shift ahead must not make telemetry old, and what was stamped under a shift back is as old as it says.
  hooks.retention_clock = [this] { return HubClock::real_now() + std::min(clock_.shift(), milliseconds(0)); };
  auto stores = open_rocksdb_stores(directory_.store(), options_.settings.storage, std::move(hooks));
  if (!stores) return stores.error();
  stores_ = std::move(*stores);
  auto records = load_hub_records(*stores_);
  if (!records) return records.error();
  records_ = std::move(*records);
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
    upload_storage_ = {std::move(*account), nullptr};
    return {};
  }
  auto files = BlobFiles::open(directory_.path() / "blobs",
                               {.blob_bytes_max = rules.blob_bytes_max,
                                .total_bytes_max = rules.total_bytes_max,
                                .block_life = 2 * rules.ttl},
                               [this] { return clock_.now(); });
  if (!files) return files.error();
  blob_files_ = std::move(*files);
  upload_storage_ = {
      {.name = "kyanite", .key = blob_files_->account_key(), .host = {}, .container = rules.container},
      blob_files_.get()};
  return {};
}

Result<void> Application::load_certificate() {
  const std::vector<std::string>& configured = options_.settings.hub.host_names;
  name_was_chosen_ = configured.empty();
  host_names_ = choose_host_names(configured, remembered_host_name(directory_.pki()), machine_name(),
                                  resolves_to_loopback);
  auto certificate =
      load_server_certificate(options_.settings.tls, directory_.pki(), host_names_, HubClock::real_now());
  if (!certificate) return certificate.error();
  for (const std::string& sentence : certificate->renewed)
    log::info("certificate_made", {{"what", sentence}});
  ticket_keys_ = std::make_shared<TicketKeys>();
  return make_contexts(*certificate);
}

Result<void> Application::make_contexts(const ServerCertificate& certificate) {
  TlsContextSettings settings;
  settings.certificate = {certificate.certificate_pem, certificate.key_pem};
  settings.ticket_keys = ticket_keys_;
  auto mqtts = TlsContext::create(settings);
  if (!mqtts) return mqtts.error();
  settings.select_http_1_1 = true;
  auto https = TlsContext::create(settings);
  if (!https) return https.error();
  if (mqtts_context_) {
    mqtts_context_->replace(std::move(*mqtts));
    https_context_->replace(std::move(*https));
  } else {
    mqtts_context_ = std::make_shared<TlsContextHolder>(std::move(*mqtts));
    https_context_ = std::make_shared<TlsContextHolder>(std::move(*https));
  }
  certificate_ = certificate;
  return {};
}

Result<void> Application::load_bearer_keys() {
  const std::filesystem::path& file = options_.settings.auth.bearer_jwks_file;
  if (file.empty()) return {};
  const Result<std::string> text = read_file(file);
  if (!text) return text.error();
  Result<BearerKeys> keys = BearerKeys::parse(*text);
  if (!keys) return Error(keys.error().code, file.string() + ": " + keys.error().detail);
  bearer_keys_ = std::make_shared<const BearerKeys>(std::move(*keys));
  return {};
}

void Application::build_shards() {
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
  uploads_ = std::make_unique<FileUploads>(shards_->shard(0), stores_->documents(),
                                           options_.settings.file_upload, upload_storage_);
  uploads_->start();
  c2d_sweep_ = std::make_unique<C2dSweep>(shards_->shard(0), stores_->c2d(), *router_, *feedback_);
  jobs_ = std::make_unique<JobService>(shards_->shard(0), *router_, *stores_);
  configurations_ = std::make_unique<ConfigurationService>(shards_->shard(0), *router_, *stores_);
  if (options_.settings.test_control) {
    faults_ = std::make_unique<FaultControl>(
        shards_->shard(0), [this](const ActiveFaultsPtr& plan, Task published) {
          log::warning("faults_changed", {{"rules", plan ? plan->faults().size() : 0}});
          on_every_shard([plan](HubShard& hub_shard) { hub_shard.set_faults(plan); }, std::move(published));
        });
    snapshots_ = std::make_unique<SnapshotKeeper>(directory_.path(), *stores_, options_.incarnation);
    tests_ = std::make_unique<TestControl>(TestControl{*faults_, snapshots_.get()});
  }
  const HubFacts facts{.version = std::string(kVersion),
                       .started = options_.started,
                       .started_at = HubClock::real_now(),
                       .https_port = options_.settings.listen.https.port,
                       .incarnation = options_.incarnation};
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->connect({*router_, *stores_, *administration_, *feedback_, *jobs_, *configurations_, *uploads_,
                        *clock_control_, *throttles_, options_.settings, tests_.get()},
                       facts, security, observer_);
  }
  build_registry_jobs();
  tell_of_low_disk();
  tell_of_test_control();
  c2d_sweep_->start();
  jobs_->start();
  configurations_->start();
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

// Writing hub.json holds up shard 0 for some milliseconds, and only when somebody replaces the owner's key:
// its tools find the new one before the old one is refused.
void Application::publish_security(const HubSecurityPtr& security, Task published) {
  if (const auto done = hub_file_->set_owner(owner_of(security->policies)); !done) {
    log::error("hub_file_outdated", {{"reason", done.error().detail}});
  }
  records_.policies = security->policies;  // shard 0's while shards run
  on_every_shard([security](HubShard& hub_shard) { hub_shard.set_security(security); }, std::move(published));
}

void Application::on_every_shard(std::function<void(HubShard&)> step, Task done) {
  struct Round {
    Round(std::size_t shards, std::function<void(HubShard&)> each, Task task)
        : missing(shards), step(std::move(each)), done(std::move(task)) {}
    std::atomic<std::size_t> missing;
    const std::function<void(HubShard&)> step;
    Task done;
  };
  const auto round = std::make_shared<Round>(hub_shards_.size(), std::move(step), std::move(done));
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([this, target = hub_shard.get(), round] {
      round->step(*target);
      if (--round->missing == 0) shards_->shard(0).post(std::move(round->done));
    });
  }
}

Result<void> Application::open_listeners() {
  const Settings& settings = options_.settings;
  ListenerSettings listen;
  listen.handshake_time = settings.tls.handshake_timeout;
  listen.handshakes_per_shard = settings.tls.concurrent_handshakes;
  int error_number = 0;
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
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post(
        [target = hub_shard.get(), port = https_->port()] { target->set_https_port(port); });
  }
  return {};
}

// hub.json, the block for people and the line for machines.
Result<void> Application::announce() {
  const auto published = hub_file_->publish(
      {.host_name = host_names_.front(),
       .mqtts_port = mqtts_->port(),
       .https_port = https_->port(),
       .https_connect = to_string(local_address(options_.settings.listen.https, https_->port())),
       .service_connection_string = {},  // the keeper's
       .ca_file = certificate_.ca_file.string(),
       .pid = static_cast<int>(::getpid()),
       .data_directory = directory_.path().string(),
       .version = std::string(kVersion)});
  if (!published) return published.error();
  const HubFile& hub = *published;
  const ListenAddress mqtts{options_.settings.listen.mqtts.address, mqtts_->port()};
  const ListenAddress https{options_.settings.listen.https.address, https_->port()};
  if (options_.print_block) {
    const std::string block =
        start_block(hub, to_string(mqtts), to_string(https), name_was_chosen_, program_name());
    std::fwrite(block.data(), 1, block.size(), stdout);
    std::fflush(stdout);
  }
  const auto start_time = std::chrono::steady_clock::now() - options_.started;
  log::info("ready", {{"version", kVersion},
                      {"host", host_names_.front()},
                      {"mqtts", to_string(mqtts)},
                      {"https", to_string(https)},
                      {"data", hub.data_directory},
                      {"pid", hub.pid},
                      {"start_ms", std::chrono::duration_cast<milliseconds>(start_time).count()}});
  return {};
}

int Application::run() {
  check_certificate();
  for (;;) {
    const auto signal = Signals::wait(kCertificateCheckEvery);
    if (!signal) {
      check_certificate();
    } else if (*signal == Signal::reload) {
      reload();
    } else if (*signal == Signal::work) {
      if (snapshots_) change_ = snapshots_->run_pending();
      if (!change_) continue;
      drain(true);
      return EXIT_SUCCESS;
    } else {
      drain();
      return EXIT_SUCCESS;
    }
  }
}

void Application::reload() {
  const LoadedSettings loaded = options_.reload_settings();
  if (loaded.problems.empty()) {
    if (const auto level = log::level_from_text(loaded.settings.log.level)) log::set_level(*level);
  } else {
    for (const Problem& problem : loaded.problems) {
      log::error("reload_refused", {{"where", problem.where}, {"reason", problem.what}});
    }
  }
  certificate_problem_.clear();
  renew_certificate();
}

// The hub makes its own certificate anew in time; of the user's it can only remind.
void Application::check_certificate() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const bool remind = now >= next_reminder_;
  if (remind) {
    next_reminder_ = now + kRemindEvery;
    certificate_problem_.clear();
  }
  if (options_.settings.tls.certificate_file.empty()) return renew_certificate();
  const milliseconds left = certificate_.expires - HubClock::real_now();
  if (!remind || left >= pki::kRenewBefore) return;
  log::warning("certificate_expires", {{"file", options_.settings.tls.certificate_file.string()},
                                       {"expires", to_iso_time(certificate_.expires)},
                                       {"days_left", std::chrono::floor<std::chrono::days>(left).count()},
                                       {"reason", "replace the files and send SIGHUP"}});
}

// What stays wrong is said once a day, not each minute.
void Application::keep_certificate(const Error& problem) {
  if (std::exchange(certificate_problem_, problem.detail) == problem.detail) return;
  log::error("certificate_kept", {{"reason", problem.detail}});
}

void Application::renew_certificate() {
  auto certificate =
      load_server_certificate(options_.settings.tls, directory_.pki(), host_names_, HubClock::real_now());
  if (!certificate) return keep_certificate(certificate.error());
  for (const std::string& sentence : certificate->renewed)
    log::info("certificate_made", {{"what", sentence}});
  if (certificate->certificate_pem == certificate_.certificate_pem &&
      certificate->key_pem == certificate_.key_pem)
    return;
  if (const auto done = make_contexts(*certificate); !done) return keep_certificate(done.error());
  log::info("certificate_loaded", {{"host", host_names_.front()}});
}

std::optional<Application::Successor> Application::successor() {
  if (!change_) return std::nullopt;
  change_->policies = records_.policies;
  ++options_.incarnation;
  options_.print_block = false;
  return Successor{std::move(*change_), std::move(options_), std::move(directory_)};
}

void Application::drain(bool for_successor) {
  const auto begin = std::chrono::steady_clock::now();
  const auto deadline = begin + options_.settings.drain_timeout;
  log::info("draining", {{"at_most_s", options_.settings.drain_timeout.count()}});
  hub_file_->remove();
  if (snapshots_) snapshots_->close();
  options_.settings.listen.mqtts.port = mqtts_->port();
  options_.settings.listen.https.port = https_->port();
  mqtts_->stop();
  https_->stop();
  jobs_->stop();
  configurations_->stop();
  // Shared with tasks that may still run when the deadline has passed.
  const auto waiting = std::make_shared<std::atomic<unsigned>>(2 * shards_->count());
  const milliseconds longest_spread =
      for_successor ? milliseconds(0) : milliseconds(options_.settings.drain_timeout / 2);
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([target = hub_shard.get(), waiting, longest_spread] {
      const milliseconds spread(static_cast<std::int64_t>(target->mqtt().statistics().open));
      target->directory().drain();
      target->api().drain();
      target->mqtt().drain(std::min(spread, longest_spread), [waiting] { --*waiting; });
      target->http().drain([waiting] { --*waiting; });
    });
  }
  bool hurried = false;
  while (*waiting > 0 && !hurried && std::chrono::steady_clock::now() < deadline) {
    hurried = Signals::wait(kDrainPoll) == Signal::stop;
  }
  const bool complete = *waiting == 0;
  if (complete) flush_events(deadline);
  stop_engine();
  const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
  log::info("stopped", {{"complete", complete}, {"took_ms", took.count()}});
}

// The owners of the devices that were just disconnected have been told; this comes to each of them after it.
void Application::flush_events(SteadyTime deadline) {
  const auto waiting = std::make_shared<std::atomic<unsigned>>(shards_->count());
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([target = hub_shard.get(), waiting] {
      target->flush_events();
      --*waiting;
    });
  }
  while (*waiting > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kFlushPoll);
}

// Safe at any stage of the start, and twice.
void Application::stop_engine() {
  if (mqtts_) mqtts_->stop();
  if (https_) https_->stop();
  if (blobs_) blobs_->stop();
  if (stores_) stores_->close();
  if (shards_) {
    shards_->stop();
    shards_->join();
  }
  mqtts_.reset();
  https_.reset();
  administration_.reset();
  clock_control_.reset();
  registry_jobs_.reset();
  hub_shards_.clear();
  blobs_.reset();
  tests_.reset();
  snapshots_.reset();
  faults_.reset();
  // Receivers that still wait are answered on their shards, which must be there for it.
  configurations_.reset();
  jobs_.reset();
  c2d_sweep_.reset();
  uploads_.reset();
  blob_files_.reset();
  feedback_.reset();
  throttles_.reset();
  router_.reset();
  shards_.reset();
  stores_.reset();
}

}  // namespace kyanite
