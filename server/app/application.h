#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/load.h"
#include "server/admin/readiness.h"
#include "server/api/registry_jobs.h"
#include "server/app/bearer_fetcher.h"
#include "server/app/blob_worker.h"
#include "server/app/first_start/data_directory.h"
#include "server/app/first_start/hub_file_keeper.h"
#include "server/app/first_start/pki_store.h"
#include "server/app/hub_shard.h"
#include "server/app/log_observer.h"
#include "server/app/metrics_service.h"
#include "server/app/operator_desk.h"
#include "server/app/remote_blobs.h"
#include "server/app/seed_start.h"
#include "server/app/service_manager.h"
#include "server/app/snapshot_keeper.h"
#include "server/blobs/blob_files.h"
#include "server/hub/c2d_sweep.h"
#include "server/hub/configuration_service.h"
#include "server/hub/consumer_groups.h"
#include "server/hub/fault_control.h"
#include "server/hub/feedback_queue.h"
#include "server/hub/file_uploads.h"
#include "server/hub/job_service.h"
#include "server/hub/test_control.h"
#include "server/net/listener.h"
#include "server/net/tls_context.h"
#include "server/runtime/shard_group.h"
#include "storage/stores.h"

namespace kyanite {

// Application is the hub as a whole: it builds every part in order and takes them down in reverse
// (architecture section 8). Nothing listens before everything else stands, and whatever fails before "ready"
// leaves nothing behind but the data directory.
//
// Owner: the serve command, whose thread makes it, waits for signals in run(), and destroys it.
// Errors of start(): a sentence for the operator in detail.
class Application {
 public:
  struct Options {
    Settings settings;
    std::function<LoadedSettings()> reload_settings;  // read again on SIGHUP
    Seed seed;                                        // of settings.seed_file
    SteadyTime started{};                             // when the process began, for start_ms
    bool print_block = true;
    bool print_ready_line = false;                    // for programs that watch standard output
    std::uint64_t incarnation = 1;                    // grows when the store is changed under test control
    EmptyStore* empty_store = nullptr;                // prepared under test control
    const ServiceManager* service_manager = nullptr;  // hears of every change; may be null
  };

  static Result<std::unique_ptr<Application>> start(Options options, DataDirectory directory);
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  // Serves until a stop signal, then drains: listeners close, requests finish, devices are disconnected
  // without wills spread over part of the drain time, accepted telemetry is committed. A second signal or the
  // end of the drain time skips to the commit. The answer is the exit code.
  int run();

  // After run(): what the store shall become before the hub begins anew, and with what. Nothing when the
  // process shall end.
  struct Successor {
    StoreChange change;
    Options options;  // with the ports that were bound
    DataDirectory directory;
  };
  std::optional<Successor> successor();

 private:
  Application(Options options, DataDirectory directory);

  // The steps of start(), in order.
  Result<void> open_store();
  Result<void> open_blobs();
  Result<void> load_certificate();
  Result<void> load_bearer_keys();
  void build_shards();
  void build_registry_jobs();
  void build_bearer_fetcher();
  void tell_of_low_disk();
  void tell_of_test_control();
  Result<void> apply_seed();
  Result<void> open_admin();
  Result<void> open_listeners();
  void tell_metrics_of_listeners();
  Result<void> announce();

  void publish_security(const HubSecurityPtr& security, Task published);
  // Runs `step` on every shard, then `done` on shard 0.
  void on_every_shard(std::function<void(HubShard&)> step, Task done);
  Result<void> make_contexts(const ServerCertificate& certificate);
  Result<ReloadReport> reload();
  Result<ReloadReport> read_again();
  milliseconds tell_alive();
  void check_certificate();
  // True when another one is served from now on.
  bool renew_certificate();
  bool keep_certificate(const Error& problem);
  std::string ca_pem() const;
  void drain(bool for_successor = false);
  void flush_events(SteadyTime deadline);
  void drain_admin();
  void stop_listeners();
  void stop_engine();

  Options options_;
  DataDirectory directory_;
  std::vector<std::string> host_names_;
  bool name_was_chosen_ = false;
  ServerCertificate certificate_;
  std::string certificate_problem_;  // as logged last
  SteadyTime next_reminder_{};
  SteadyTime next_certificate_check_{};
  SteadyTime next_alive_{};
  const std::shared_ptr<std::atomic<bool>> alive_asked_ = std::make_shared<std::atomic<bool>>(false);
  HubRecords records_;
  std::vector<AccessPolicy> first_policies_;       // of the start
  std::shared_ptr<const BearerKeys> bearer_keys_;  // of a file; null without one
  LogObserver observer_;
  std::unique_ptr<HubFileKeeper> hub_file_;

  HubClock clock_;  // read by the stores and all shards
  std::unique_ptr<Stores> stores_;
  std::unique_ptr<Readiness> readiness_;
  std::unique_ptr<MetricsService> metrics_;
  std::optional<FileUploads::Storage> upload_storage_;
  std::shared_ptr<TicketKeys> ticket_keys_;
  std::shared_ptr<TlsContextHolder> mqtts_context_;
  std::shared_ptr<TlsContextHolder> https_context_;
  std::unique_ptr<ShardGroup> shards_;
  std::vector<std::unique_ptr<HubShard>> hub_shards_;
  std::unique_ptr<DeviceRouter> router_;
  std::unique_ptr<HubAdministration> administration_;
  std::unique_ptr<ClockControl> clock_control_;
  std::unique_ptr<FaultControl> faults_;
  std::unique_ptr<SnapshotKeeper> snapshots_;
  std::unique_ptr<OperatorDesk> operator_;
  std::optional<StoreChange> change_;
  AdapterCounters counters_;
  ConnectionHistory history_;           // of the shards' journals
  std::unique_ptr<TestControl> tests_;  // with the setting testControl
  std::unique_ptr<Throttles> throttles_;
  std::unique_ptr<FeedbackQueue> feedback_;
  std::unique_ptr<BlobFiles> blob_files_;
  std::unique_ptr<RemoteBlobs> remote_blobs_;
  std::unique_ptr<BearerFetcher> bearer_fetcher_;  // with auth.bearerJwksUri
  std::unique_ptr<FileUploads> uploads_;
  std::unique_ptr<C2dSweep> c2d_sweep_;
  std::unique_ptr<JobService> jobs_;
  std::unique_ptr<ConfigurationService> configurations_;
  std::unique_ptr<ConsumerGroups> consumer_groups_;
  std::unique_ptr<BlobWorker> blobs_;
  std::unique_ptr<RegistryJobs> registry_jobs_;
  std::unique_ptr<Listener> mqtts_;
  std::unique_ptr<Listener> https_;
  std::unique_ptr<Listener> amqps_;  // null when off, here and below
  std::unique_ptr<Listener> amqp_;
  std::unique_ptr<Listener> admin_;
};

}  // namespace kyanite
