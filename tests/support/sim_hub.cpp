#include "tests/support/sim_hub.h"

#include <utility>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"
#include "server/api/twin_json.h"

namespace kyanite::test {
namespace {

std::string name_of(const Identity& id) { return id.is_module() ? id.device + "/" + id.module : id.device; }

SimHub::Options default_options() { return {}; }

HubSecurityPtr make_security(const Settings& settings) {
  HubSecurity security;
  security.host_names = {SimHub::host(), "hub-alias.example.test", "127.0.0.1"};
  security.policies = default_access_policies();
  for (AccessPolicy& policy : security.policies) {
    policy.primary_key = make_symmetric_key();
    policy.secondary_key = make_symmetric_key();
  }
  security.rules = settings.auth;
  return std::make_shared<const HubSecurity>(std::move(security));
}

}  // namespace

void RecordingObserver::on_connected(const ConnectionFacts& connection) {
  lines_.push_back("connected " + name_of(connection.identity));
}
void RecordingObserver::on_refused(const ConnectionFacts& connection, const Error& error) {
  lines_.push_back("refused " + name_of(connection.identity) + " " +
                   std::to_string(refusal_status_type(error)));
}
void RecordingObserver::on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view,
                                        milliseconds) {
  lines_.push_back("disconnected " + name_of(connection.identity) + " " + std::string(to_string(reason)));
}
void RecordingObserver::on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                                             std::size_t) {
  lines_.push_back("telemetry refused " + name_of(connection.identity) + " " +
                   std::to_string(refusal_status_type(error)));
}
void RecordingObserver::on_will_unusable(const ConnectionFacts& connection, std::string_view topic) {
  lines_.push_back("will unusable " + name_of(connection.identity) + " " + std::string(topic));
}

void RecordingObserver::on_amqp_refused(std::string_view, std::string_view, std::string_view what,
                                        const Error& error) {
  lines_.push_back("amqp refused " + std::string(what) + ": " + error.detail);
}

void RecordingObserver::on_left_silently(std::string_view, std::string_view, DeviceProtocol protocol) {
  lines_.push_back(std::string(to_string(protocol)) + " left silently");
}

void RecordingObserver::on_refusals_unrecorded(std::uint64_t count) {
  lines_.push_back("unrecorded " + std::to_string(count));
}

void RecordingObserver::on_reader_overtaken(std::string_view consumer_group, PartitionId partition,
                                            TelemetryOffset wanted, TelemetryOffset oldest) {
  lines_.push_back("reader of " + std::string(consumer_group) + " overtaken in partition " +
                   std::to_string(partition.value) + " at " + std::to_string(wanted.value) + ", goes on at " +
                   std::to_string(oldest.value));
}

SimHub::SimHub() : SimHub(default_options()) {}

SimHub::SimHub(Options options)
    : own_machine_(options.machine ? nullptr : std::make_unique<SimMachine>(options.wall)),
      loop((options.machine ? options.machine : own_machine_.get())->loop),
      commit_thread((options.machine ? options.machine : own_machine_.get())->commit_thread),
      stores((options.machine ? options.machine : own_machine_.get())->stores),
      settings(std::move(options.settings)),
      security_(make_security(settings)) {
  std::vector<DeviceRouter::ShardPorts> ports;
  for (std::uint16_t i = 0; i < options.shards; ++i) {
    auto shard = std::make_unique<Shard>(loop);
    shard->events = std::make_unique<HubEvents>(shard->executor, stores.telemetry(), settings, host(),
                                                stores.committed().hub.starts);
    shard->directory = std::make_unique<DeviceDirectory>(
        DeviceDirectory::Services{shard->executor, stores, settings, *shard->events}, security_);
    ports.push_back({&shard->executor, shard->directory.get(), nullptr});
    shards_.push_back(std::move(shard));
  }
  router_ = std::make_unique<DeviceRouter>(std::move(ports));
  administration_ = std::make_unique<HubAdministration>(
      executor(0), stores.hub(), *security_,
      [this](HubSecurityPtr security, Task published) { publish(security, std::move(published)); });
  clock_ = std::make_unique<ClockControl>(executor(0),
                                          [this, shifted = milliseconds(0)](milliseconds shift) mutable {
                                            loop.step_wall_clock(shift - std::exchange(shifted, shift));
                                          });
  throttles_ = std::make_unique<Throttles>(settings.limits);
  feedback_ = std::make_unique<FeedbackQueue>(executor(0), stores.feedback(), settings.c2d);
  for (const auto& shard : shards_) shard->directory->on_feedback([this] { feedback_->on_written(); });
  uploads_ = std::make_unique<FileUploads>(executor(0), stores.documents(), settings.file_upload,
                                           std::move(options.upload_storage));
  uploads_->start();
  c2d_sweep_ = std::make_unique<C2dSweep>(executor(0), stores.c2d(), *router_, *feedback_);
  c2d_sweep_->start();
  faults_ = std::make_unique<FaultControl>(executor(0), [this](const ActiveFaultsPtr& plan, Task published) {
    publish_faults(plan, std::move(published));
  });
  tests_ = std::make_unique<TestControl>(TestControl{*faults_});
  jobs_ = std::make_unique<JobService>(executor(0), *router_, stores);
  jobs_->start();
  configurations_ = std::make_unique<ConfigurationService>(executor(0), *router_, stores);
  configurations_->start();
  consumer_groups_ = std::make_unique<ConsumerGroups>(executor(0), stores.documents());
  consumer_groups_->start();
  clock_->on_shift(executor(0), [this](milliseconds) {
    c2d_sweep_->on_clock_shift();
    jobs_->on_clock_shift();
  });
  for (std::uint16_t i = 0; i < options.shards; ++i) {
    Shard& shard = *shards_[i];
    shard.registry = std::make_unique<RegistryService>(shard.executor, *router_, stores);
    shard.queries = std::make_unique<QueryService>(shard.executor, *router_, stores);
    HubObserver& outer = options.observer ? *options.observer : static_cast<HubObserver&>(observer);
    if (OperationsMonitor::is_wanted(settings.events)) {
      shard.monitor = std::make_unique<OperationsMonitor>(outer, shard.executor, stores.telemetry(),
                                                          settings.events, host());
    }
    HubObserver& told = shard.monitor ? static_cast<HubObserver&>(*shard.monitor) : outer;
    shard.mqtt = std::make_unique<MqttShard>(services(i), security_, told);
    shard.amqp = std::make_unique<AmqpShard>(services(i), security_, told);
    shard.connections = std::make_unique<ConnectionSwitch>(shard.mqtt->connections(), *shard.amqp);
    router_->bind_connections(ShardIndex{i}, *shard.connections);
    clock_->on_shift(shard.executor, [this, &shard](milliseconds shift) {
      shard.directory->on_clock_shift();
      shard.mqtt->on_clock_shift();
      shard.amqp->on_clock_shift();
      if (&shard == shards_.front().get() && on_clock_shift) on_clock_shift(shift);
    });
    stores.on_pressure_change(shard.executor, [&shard](StorePressure pressure) {
      shard.mqtt->on_pressure(pressure);
      shard.amqp->on_pressure(pressure);
    });
  }
}

SimHub::~SimHub() {
  if (own_machine_) {
    loop.run();
  } else {
    loop.clear();
  }
  // Whatever ends may still answer to any shard.
  for (const auto& shard : shards_) shard->amqp.reset();
  for (const auto& shard : shards_) shard->mqtt.reset();
  for (const auto& shard : shards_) shard->queries.reset();
  for (const auto& shard : shards_) shard->registry.reset();
  for (const auto& shard : shards_) shard->directory.reset();
  consumer_groups_.reset();
  configurations_.reset();
  jobs_.reset();
  c2d_sweep_.reset();
  feedback_.reset();
  uploads_.reset();
  administration_.reset();
  if (!own_machine_) loop.clear();
}

HubServices SimHub::services(std::uint16_t shard) {
  return {executor(shard),
          ShardIndex{shard},
          *router_,
          stores,
          registry(shard),
          *administration_,
          *clock_,
          *throttles_,
          settings,
          *feedback_,
          *jobs_,
          *configurations_,
          queries(shard),
          *uploads_,
          *shards_[shard]->events,
          *consumer_groups_,
          settings.test_control ? tests_.get() : nullptr};
}

void SimHub::publish(const HubSecurityPtr& security, Task published) {
  security_ = security;
  const auto missing = std::make_shared<std::size_t>(shards_.size());
  const auto last = std::make_shared<Task>(std::move(published));
  for (const auto& shard : shards_) {
    shard->executor.post([this, &shard = *shard, security, missing, last] {
      shard.directory->set_security(security);
      shard.mqtt->set_security(security);
      shard.amqp->set_security(security);
      if (&shard == shards_.front().get() && on_security) on_security(security);
      if (--*missing == 0) executor(0).post(std::move(*last));
    });
  }
}

void SimHub::publish_faults(const ActiveFaultsPtr& plan, Task published) {
  const auto missing = std::make_shared<std::size_t>(shards_.size());
  const auto last = std::make_shared<Task>(std::move(published));
  for (const auto& shard : shards_) {
    shard->executor.post([this, &shard = *shard, plan, missing, last] {
      shard.mqtt->set_faults(plan);
      shard.amqp->set_faults(plan);
      if (&shard == shards_.front().get() && on_faults) on_faults(plan);
      if (--*missing == 0) executor(0).post(std::move(*last));
    });
  }
}

std::size_t SimHub::actors() const {
  std::size_t sum = 0;
  for (const auto& shard : shards_) sum += shard->directory->actors();
  return sum;
}

std::uint64_t SimHub::open_connections() const {
  std::uint64_t sum = 0;
  for (const auto& shard : shards_) sum += shard->mqtt->statistics().open + shard->amqp->statistics().open;
  return sum;
}

const AccessPolicy& SimHub::policy(const std::string& name) const {
  const AccessPolicy* policy = find_policy(security_->policies, name);
  KYANITE_ASSERT(policy != nullptr);
  return *policy;
}

Result<IdentityView> SimHub::put(IdentityRecord record, std::optional<IfMatch> if_match) {
  return ask<IdentityView>(
      [&](Reply<IdentityView> reply) { registry().put(std::move(record), if_match, std::move(reply)); });
}

Result<IdentityView> SimHub::get(const Identity& id) {
  return ask<IdentityView>([&](Reply<IdentityView> reply) { registry().get(id, std::move(reply)); });
}

Result<void> SimHub::erase(const Identity& id, std::optional<IfMatch> if_match) {
  return ask<void>([&](Reply<void> reply) { registry().erase(id, if_match, std::move(reply)); });
}

IdentityRecord SimHub::add(const Identity& id) { return put(wanted(id)).value().record; }

std::vector<TelemetryRecord> SimHub::telemetry() {
  std::vector<TelemetryRecord> all;
  for (std::uint32_t p = 0; p < stores.telemetry().partitions(); ++p) {
    auto page = ask<TelemetryPage>([&](Reply<TelemetryPage> reply) {
      stores.telemetry().read(PartitionId{p}, TelemetryOffset{0}, 100'000, std::size_t{1} << 30,
                              std::move(reply));
    });
    for (TelemetryRecord& record : page.value().records) all.push_back(std::move(record));
  }
  return all;
}

std::string SimHub::token_of(const IdentityRecord& identity, seconds lifetime) {
  std::string resource = host() + "/devices/" + identity.id.device;
  if (identity.id.is_module()) resource += "/modules/" + identity.id.module;
  const auto expiry = std::chrono::duration_cast<seconds>(loop.wall_now().time_since_epoch()) + lifetime;
  return make_sas_token(resource, identity.primary_key, expiry.count());
}

std::string SimHub::policy_token(const std::string& name, const std::string& resource) {
  const auto expiry = std::chrono::duration_cast<seconds>(loop.wall_now().time_since_epoch()) + seconds{3600};
  return make_sas_token(resource, policy(name).primary_key, expiry.count(), name);
}

IdentityRecord wanted(Identity id) {
  IdentityRecord record;
  record.id = std::move(id);
  return record;
}

}  // namespace kyanite::test
