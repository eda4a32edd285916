#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "protocol/http/etag.h"
#include "server/hub/configuration_set.h"
#include "server/hub/query_service.h"
#include "storage/stores.h"

namespace kyanite {

class DeviceRouter;

// How many twins a configuration is for, has written, and which its metrics find.
struct ConfigurationCounts {
  bool of_modules = false;  // that is what it is for
  std::uint64_t targeted = 0;
  std::uint64_t applied = 0;
  // Of deployments: devices whose agent says how it went with the properties as they are.
  std::uint64_t reported_successful = 0;
  std::uint64_t reported_failed = 0;
  std::map<std::string, std::uint64_t> metrics;  // by name
};

struct ConfigurationView {
  ConfigurationRecord record;
  std::optional<ConfigurationCounts> counts;  // of a reader; nobody counts for a change
};

// ConfigurationService owns the automatic configurations (spec service-rest.md 9.2). A change is committed,
// then every shard gets the new set, then the caller is answered. A twin is judged by the set of its shard
// whenever it changes, in the commit of the change (TwinState); after a change of the set, and at the start
// when there are configurations, the service has every twin judged once, page by page.
// The deployments for an edge device, a whole one and the layers over it, are merged and applied from here,
// one device after the other (apply_edge_content()).
//
// Owner: the application. Threads: the operations may be called on any shard; work runs on shard 0 and
// replies go home. Bound: limits::kConfigurationsMax records, limits::kAdministrationQueueMax changes and as
// many readers that wait (Errc::busy beyond); counts of all readers that wait come from one pass over the
// twins.
class ConfigurationService {
 public:
  ConfigurationService(Executor& shard0, DeviceRouter& router, Stores& stores);
  ~ConfigurationService();
  ConfigurationService(const ConfigurationService&) = delete;
  ConfigurationService& operator=(const ConfigurationService&) = delete;

  // From any thread: reads what is stored; operations wait for it.
  void start();
  // From any thread: the hub goes down, no pass over the twins goes on.
  void stop();

  // `wanted` is validated; of an update the content counts as it was (it cannot change). Errors:
  // configuration_already_exists, configuration_not_found, precondition_failed, too_many_configurations,
  // busy.
  void put(ConfigurationRecord wanted, std::optional<IfMatch> if_match, Reply<ConfigurationView> reply);
  // What twins got from it stays. Errors: configuration_not_found, precondition_failed, busy.
  void erase(std::string id, std::optional<IfMatch> if_match, Reply<void> reply);
  // Without counts; nothing when there is none.
  void find(std::string id, Reply<std::optional<ConfigurationRecord>> reply);
  void records(Reply<std::vector<ConfigurationRecord>> reply);
  // Errors: configuration_not_found, busy.
  void get(std::string id, Reply<ConfigurationView> reply);
  // The first `limit` by id.
  void list(std::size_t limit, Reply<std::vector<ConfigurationView>> reply);

 private:
  struct Census;
  struct Reader {
    std::optional<std::string> id;  // nothing: all
    std::size_t limit = 0;
    Reply<std::vector<ConfigurationView>> reply;
  };

  void load(std::string after);
  void on_loaded_page(const std::vector<Document>& page);
  // One change at a time.
  void run(Task change);
  void done();
  void do_put(ConfigurationRecord wanted, const std::optional<IfMatch>& if_match,
              Reply<ConfigurationView> reply);
  void do_erase(const std::string& id, const std::optional<IfMatch>& if_match, Reply<void> reply);
  // Commits the change together with the mark that twins are to be judged.
  void commit(DocumentChange change, UniqueFunction<void(Result<void>)> then);
  void publish(Task published);

  void sweep();
  void sweep_page(Identity after);
  void on_sweep_page(const Identity& after, Result<FoundIdentities> page);
  void on_swept(const FoundIdentities& page);
  void sweep_again_later(Identity after);
  void end_sweep();

  // Edge devices that changed, one after the other: the modules of the deployments that count. busy while
  // others are made for the device, which then may be outdated: who asks judges it again.
  void on_deployment_changed(std::string device);
  void deploy_next();
  void deploy(const std::string& device, DeploymentVerdict verdict, UniqueFunction<void(Result<void>)> then);

  void read(Reader reader);
  void begin_census();
  void count(std::vector<Reader> readers, std::unique_ptr<Census> census);
  void end_census(std::vector<Reader> readers, const Result<std::unique_ptr<Census>>& census);

  Executor& shard0_;
  DeviceRouter& router_;
  Stores& stores_;
  QueryService queries_;  // of its own: it takes no place of back ends
  std::map<std::string, ConfigurationRecord> records_;
  std::deque<Task> waiting_;
  bool busy_ = true;     // until what is stored was read
  bool loaded_ = false;  // readers wait for it
  bool stopping_ = false;

  bool sweeping_ = false;
  bool sweep_again_ = false;  // the set changed meanwhile
  bool sweep_mark_ = false;   // is stored
  QuerySource sweep_source_ = QuerySource::devices;
  std::set<std::string> to_deploy_;  // devices
  bool deploying_ = false;
  std::set<std::string> in_deployment_;  // devices whose modules are being made

  std::vector<Reader> readers_;  // for the next census
  bool counting_ = false;
};

}  // namespace kyanite
