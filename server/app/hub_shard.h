#pragma once

#include <memory>
#include <string>
#include <utility>

#include "server/admin/admin_router.h"
#include "server/admin/hub_metrics.h"
#include "server/admin/traffic_meters.h"
#include "server/amqp/amqp_shard.h"
#include "server/api/api_router.h"
#include "server/app/log_observer.h"
#include "server/device/mqtt_shard.h"
#include "server/http/http_shard.h"
#include "server/hub/adapter_counters.h"
#include "server/hub/clock_control.h"
#include "server/hub/configuration_service.h"
#include "server/hub/connection_journal.h"
#include "server/hub/consumer_groups.h"
#include "server/hub/device_directory.h"
#include "server/hub/feedback_queue.h"
#include "server/hub/file_uploads.h"
#include "server/hub/hub_administration.h"
#include "server/hub/hub_events.h"
#include "server/hub/job_service.h"
#include "server/hub/operations_monitor.h"
#include "server/hub/query_service.h"
#include "server/hub/registry_service.h"
#include "server/hub/throttles.h"
#include "server/runtime/shard.h"

namespace kyanite {

// HubShard is everything of the hub that lives on one shard.
//
// Owner: the application. Built before the shards start: the directory first, since the router needs all of
// them, then connect(). Destroyed after the shards were joined.
class HubShard {
 public:
  HubShard(Shard& shard, Stores& stores, const Settings& settings, const HubRecords& records,
           const HubSecurityPtr& security)
      : shard_(shard),
        events_(shard, stores.telemetry(), settings, security->host_names.front(), records.starts),
        directory_({shard, stores, settings, events_}, security) {}

  // What every shard shares, owned by the application.
  struct HubWide {
    DeviceRouter& router;
    Stores& stores;
    HubAdministration& administration;
    FeedbackQueue& feedback;
    JobService& jobs;
    ConfigurationService& configurations;
    FileUploads& uploads;
    ConsumerGroups& consumer_groups;
    ClockControl& clock;
    Throttles& throttles;
    const Settings& settings;
    TestControl* tests;  // null without the setting
    const Readiness& readiness;
    MetricsSource& metrics;
  };
  // Builds the adapters and binds them to the router, the stores and the clock.
  void connect(const HubWide& hub, const HubFacts& facts, const HubSecurityPtr& security,
               LogObserver& observer);

  Shard& shard() { return shard_; }
  DeviceDirectory& directory() { return directory_; }
  RegistryService& registry() { return *registry_; }
  MqttShard& mqtt() { return *mqtt_; }
  AmqpShard& amqp() { return *amqp_; }
  HttpShard& http() { return *http_; }
  ApiRouter& api() { return *api_; }
  HttpShard& admin_http() { return *admin_http_; }

  // Before the shards start; the jobs work with a shard's registry.
  void set_registry_jobs(RegistryJobs& jobs) { services_->registry_jobs = &jobs; }

  // Before the shards start: what this one counts is given, and what all count can be asked for.
  void join_counters(AdapterCounters& counters);

  // The same of the connections that this one remembers.
  void join_history(ConnectionHistory& history);

  void set_operator(OperatorControl& control) { services_->operator_control = &control; }
  void set_bearer_keys(BearerKeySource& keys) { services_->bearer_keys = &keys; }

  // On the shard.
  ConnectionJournal& journal() { return *journal_; }
  void set_ports(const HubPorts& ports) { api_->set_ports(ports); }
  void set_security(const HubSecurityPtr& security);
  // What it counts; on the shard. Its cost does not grow with the devices.
  ShardMetrics metrics() const;

  void set_ca(std::string pem) { admin_->set_ca(std::move(pem)); }
  void set_faults(const ActiveFaultsPtr& faults);
  void on_clock_shift(milliseconds shift);
  // What devices that were here last told goes to the store: no turn may follow.
  void flush_events() {
    events_.flush();
    directory_.flush_activity();
  }

 private:
  AdapterCounts counts() const;

  Shard& shard_;
  HubEvents events_;
  DeviceDirectory directory_;
  std::unique_ptr<ConnectionJournal> journal_;
  std::unique_ptr<OperationsMonitor> monitor_;  // when operations monitoring of connections is on
  std::unique_ptr<RegistryService> registry_;
  std::unique_ptr<QueryService> queries_;
  std::unique_ptr<HubServices> services_;
  std::unique_ptr<ConnectionMeter> mqtt_meter_;
  std::unique_ptr<ConnectionMeter> amqp_meter_;
  std::unique_ptr<RequestMeter> request_meter_;
  std::unique_ptr<MqttShard> mqtt_;
  std::unique_ptr<AmqpShard> amqp_;
  std::unique_ptr<ConnectionSwitch> connections_;
  std::unique_ptr<ApiRouter> api_;
  std::unique_ptr<HttpShard> http_;
  std::unique_ptr<AdminRouter> admin_;
  std::unique_ptr<HttpShard> admin_http_;
};

}  // namespace kyanite
