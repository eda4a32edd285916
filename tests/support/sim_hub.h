#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/amqp/amqp_shard.h"
#include "server/device/mqtt_shard.h"
#include "server/hub/c2d_sweep.h"
#include "server/hub/clock_control.h"
#include "server/hub/configuration_service.h"
#include "server/hub/consumer_groups.h"
#include "server/hub/device_directory.h"
#include "server/hub/device_router.h"
#include "server/hub/fault_control.h"
#include "server/hub/feedback_queue.h"
#include "server/hub/file_uploads.h"
#include "server/hub/hub_administration.h"
#include "server/hub/hub_events.h"
#include "server/hub/hub_observer.h"
#include "server/hub/job_service.h"
#include "server/hub/operations_monitor.h"
#include "server/hub/query_service.h"
#include "server/hub/registry_service.h"
#include "server/hub/test_control.h"
#include "server/hub/throttles.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"

namespace kyanite::test {

// Writes each event as one line, so that a test can compare the whole story.
class RecordingObserver final : public HubObserver {
 public:
  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                            std::size_t bytes) override;
  void on_will_unusable(const ConnectionFacts& connection, std::string_view topic) override;
  void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                       const Error& error) override;
  void on_left_silently(std::string_view address, std::string_view tls_version,
                        DeviceProtocol protocol) override;
  void on_refusals_unrecorded(std::uint64_t count) override;
  void on_reader_overtaken(std::string_view consumer_group, PartitionId partition, TelemetryOffset wanted,
                           TelemetryOffset oldest) override;

  std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  std::vector<std::string> lines_;
};

// What outlives a hub: time, and what its disk holds.
struct SimMachine {
  explicit SimMachine(std::optional<WallTime> wall = std::nullopt)
      : loop(wall.value_or(SimLoop().wall_now())), commit_thread(loop), stores(commit_thread) {}

  SimLoop loop;
  SimExecutor commit_thread;
  MemoryStores stores;
};

// SimHub is the whole hub of several shards in one thread, under virtual time, on the memory engine: what the
// application composes, without sockets.
class SimHub {
 public:
  struct Options {
    std::uint16_t shards = 3;
    Settings settings;
    std::optional<WallTime> wall;
    SimMachine* machine = nullptr;    // to start on; nullptr: one of its own
    HubObserver* observer = nullptr;  // nullptr: `observer` below
    std::optional<FileUploads::Storage> upload_storage;
  };
  SimHub();
  explicit SimHub(Options options);
  ~SimHub();  // on a machine of its own what is ready is run first

 private:
  const std::unique_ptr<SimMachine> own_machine_;

 public:
  SimLoop& loop;
  SimExecutor& commit_thread;
  MemoryStores& stores;
  Settings settings;
  RecordingObserver observer;

  std::uint16_t shard_count() const { return static_cast<std::uint16_t>(shards_.size()); }
  Executor& executor(std::uint16_t shard) { return shards_[shard]->executor; }
  MqttShard& mqtt(std::uint16_t shard) { return *shards_[shard]->mqtt; }
  AmqpShard& amqp(std::uint16_t shard) { return *shards_[shard]->amqp; }
  DeviceDirectory& directory(std::uint16_t shard) { return *shards_[shard]->directory; }
  RegistryService& registry(std::uint16_t shard = 0) { return *shards_[shard]->registry; }
  QueryService& queries(std::uint16_t shard = 0) { return *shards_[shard]->queries; }
  DeviceRouter& router() { return *router_; }
  HubAdministration& administration() { return *administration_; }
  ClockControl& clock() { return *clock_; }
  Throttles& throttles() { return *throttles_; }
  FeedbackQueue& feedback() { return *feedback_; }
  JobService& jobs() { return *jobs_; }
  ConfigurationService& configurations() { return *configurations_; }
  ConsumerGroups& consumer_groups() { return *consumer_groups_; }
  FileUploads& uploads() { return *uploads_; }
  FaultControl& faults() { return *faults_; }
  TestControl& tests() { return *tests_; }
  const HubSecurity& security() const { return *security_; }
  HubSecurityPtr security_snapshot() const { return security_; }
  HubServices services(std::uint16_t shard);
  std::size_t actors() const;
  std::uint64_t open_connections() const;
  // Called on shard 0 with each new snapshot, for an adapter beside the MQTT one.
  std::function<void(const HubSecurityPtr&)> on_security;
  // Called on shard 0 when its clock was shifted, for the same.
  std::function<void(milliseconds)> on_clock_shift;
  // Called on shard 0 with each plan of faults, for the same.
  std::function<void(const ActiveFaultsPtr&)> on_faults;
  // The host names devices use.
  static std::string host() { return "hub.example.test"; }
  const AccessPolicy& policy(const std::string& name) const;

  // Asks, runs the loop until it stands still, and gives the answer; timed_out when none came. Only within
  // `patience` time passes.
  template <class T>
  Result<T> ask(const std::function<void(Reply<T>)>& question, milliseconds patience = milliseconds(0)) {
    std::optional<Result<T>> answer;
    question(Reply<T>(executor(0), [&answer](Result<T> r) { answer = std::move(r); }));
    loop.run();
    for (; !answer && patience > milliseconds(0); patience -= seconds(1)) loop.advance(seconds(1));
    return answer ? std::move(*answer) : Result<T>(Error(Errc::timed_out, "no answer"));
  }

  Result<IdentityView> put(IdentityRecord wanted, std::optional<IfMatch> if_match = std::nullopt);
  Result<IdentityView> get(const Identity& id);
  Result<void> erase(const Identity& id, std::optional<IfMatch> if_match = IfMatch{true, {}});
  // Registers with generated keys; the test fails when it cannot.
  IdentityRecord add(const Identity& id);

  // Everything committed, partition after partition.
  std::vector<TelemetryRecord> telemetry();

  std::string token_of(const IdentityRecord& identity, seconds lifetime = seconds{3600});
  std::string policy_token(const std::string& policy, const std::string& resource = host());

 private:
  struct Shard {
    explicit Shard(SimLoop& loop) : executor(loop) {}
    SimExecutor executor;
    std::unique_ptr<HubEvents> events;
    std::unique_ptr<OperationsMonitor> monitor;
    std::unique_ptr<DeviceDirectory> directory;
    std::unique_ptr<RegistryService> registry;
    std::unique_ptr<QueryService> queries;
    std::unique_ptr<MqttShard> mqtt;
    std::unique_ptr<AmqpShard> amqp;
    std::unique_ptr<ConnectionSwitch> connections;
  };
  void publish(const HubSecurityPtr& security, Task published);
  void publish_faults(const ActiveFaultsPtr& plan, Task published);

  HubSecurityPtr security_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<DeviceRouter> router_;
  std::unique_ptr<HubAdministration> administration_;
  std::unique_ptr<ClockControl> clock_;
  std::unique_ptr<Throttles> throttles_;
  std::unique_ptr<FeedbackQueue> feedback_;
  std::unique_ptr<FileUploads> uploads_;
  std::unique_ptr<C2dSweep> c2d_sweep_;
  std::unique_ptr<JobService> jobs_;
  std::unique_ptr<ConfigurationService> configurations_;
  std::unique_ptr<ConsumerGroups> consumer_groups_;
  std::unique_ptr<FaultControl> faults_;
  std::unique_ptr<TestControl> tests_;
};

inline Identity device(std::string id) { return {std::move(id), {}}; }
inline Identity module(std::string device_id, std::string id) {
  return {std::move(device_id), std::move(id)};
}
IdentityRecord wanted(Identity id);

}  // namespace kyanite::test
