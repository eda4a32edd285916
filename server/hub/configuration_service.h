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
#include "server/hub/target_scan.h"
#include "storage/stores.h"

namespace kyanite {

class DeviceRouter;

// How many twins a configuration is for, has written, and which its metrics find.
struct ConfigurationCounts {
  std::uint64_t targeted = 0;
  std::uint64_t applied = 0;
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
// Of the deployments for an edge device the one with the highest priority counts; apply_edge_content() makes
// its modules from here.
//
// Owner: the application. Threads: the operations may be called on any shard; work runs on shard 0 and
// replies go home. Bound: limits::kConfigurationsMax records, limits::kAdministrationQueueMax changes and as
// many readers that wait (Errc::busy beyond); counts of all readers that wait come from one pass over the
// twins.
class ConfigurationService {
 public:
  ConfigurationService(Executor& shard0, DeviceRouter& router, Stores& stores, TargetScan::RowOf row_of);
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
  void on_loaded_page(Result<std::vector<Document>> page);
  // One change at a time.
  void run(Task change);
  void done();
  void do_put(ConfigurationRecord wanted, const std::optional<IfMatch>& if_match,
              Reply<ConfigurationView> reply);
  void do_erase(const std::string& id, const std::optional<IfMatch>& if_match, Reply<void> reply);
  // Commits the change together with the mark that twins are to be judged.
  void commit(DocumentChange change, UniqueFunction<void(Result<void>)> then);
  void publish(Task published);
  std::unique_ptr<TargetScan> scan_of(QuerySource source, TargetScan::Chooser chooser) const;

  void sweep();
  void sweep_page(std::string after);
  void on_sweep_page(const std::string& after, Result<TargetPage> page);
  void sweep_again_later(std::string after);
  void end_sweep();

  // Edge devices, one after the other: the modules of the deployment that counts.
  void on_deployment_changed(std::string device);
  void deploy_next();
  void deploy(const std::string& device, const std::string& deployment,
              UniqueFunction<void(Result<void>)> then);

  void read(Reader reader);
  void begin_census();
  void census_page(const std::shared_ptr<Census>& census, std::string after);
  void end_census(const std::shared_ptr<Census>& census);

  Executor& shard0_;
  DeviceRouter& router_;
  Stores& stores_;
  const TargetScan::RowOf row_of_;
  std::map<std::string, ConfigurationRecord> records_;
  std::deque<Task> waiting_;
  bool busy_ = true;  // until what is stored was read
  bool stopping_ = false;

  bool sweeping_ = false;
  bool sweep_again_ = false;  // the set changed meanwhile
  bool sweep_mark_ = false;   // is stored
  std::unique_ptr<TargetScan> sweep_scan_;
  bool sweep_modules_ = false;
  std::set<std::string> to_deploy_;  // devices
  bool deploying_ = false;

  std::vector<Reader> readers_;  // for the next census
  bool counting_ = false;
};

}  // namespace kyanite
