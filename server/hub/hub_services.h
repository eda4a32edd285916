#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "server/hub/device_router.h"
#include "server/hub/hub_security.h"
#include "storage/stores.h"

namespace kyanite {

class RegistryService;
class HubAdministration;
class ClockControl;
class Throttles;
class FeedbackQueue;
class JobService;
class ConfigurationService;
class QueryService;
class FileUploads;
class HubEvents;
class AdapterCounters;
class ConsumerGroups;
class RegistryJobs;
class BearerKeySource;
class OperatorControl;
class ConnectionHistory;
class ConnectionJournal;
struct TestControl;

// What an adapter (REST, MQTT) on one shard may use. Everything is owned by the application and outlives it.
struct HubServices {
  Executor& executor;  // the adapter's own shard
  ShardIndex shard;
  DeviceRouter& router;
  Stores& stores;
  RegistryService& registry;  // this shard's front of the registry
  HubAdministration& administration;
  ClockControl& clock;
  Throttles& throttles;
  const Settings& settings;
  FeedbackQueue& feedback;
  JobService& jobs;
  ConfigurationService& configurations;
  QueryService& queries;  // this shard's front of queries
  FileUploads& uploads;
  HubEvents& events;  // of this shard
  ConsumerGroups& consumer_groups;
  TestControl* tests = nullptr;                 // with the setting testControl only
  RegistryJobs* registry_jobs = nullptr;        // import and export; where there is a REST API
  const AdapterCounters* counters = nullptr;    // of all shards; where there is a REST API
  BearerKeySource* bearer_keys = nullptr;       // where the issuer's key set is fetched
  const ConnectionHistory* history = nullptr;   // of all shards; where there is a REST API
  ConnectionJournal* journal = nullptr;         // this shard's; where there is a REST API
  OperatorControl* operator_control = nullptr;  // where there is a process around the hub
};

}  // namespace kyanite
