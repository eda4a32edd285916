#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/settings.h"
#include "protocol/base/executor.h"
#include "protocol/base/limits.h"
#include "protocol/base/shard_check.h"
#include "server/hub/activity_book.h"
#include "server/hub/c2d_journal.h"
#include "server/hub/device_messages.h"
#include "server/hub/hub_counters.h"
#include "server/hub/hub_security.h"
#include "storage/stores.h"

namespace kyanite {

class DeviceActor;
class DeviceRouter;
class HubEvents;

// DeviceDirectory is one shard's map from device id to actor. An actor is made by the first message for its
// device and goes when it has nothing to do and nothing to remember: what stays of a registered device that
// was connected once are its live facts (Presence), of an unknown device nothing.
//
// Owner: the application; built before the router and bound to it. All calls on its shard, except the
// binding. Bound: one actor per registered device that was ever connected, plus those with messages in
// flight.
class DeviceDirectory {
 public:
  // What the actors of the shard work with; all of it outlives the directory.
  struct Services {
    Executor& executor;
    Stores& stores;
    const Settings& settings;
    HubEvents& events;
  };
  DeviceDirectory(const Services& services, HubSecurityPtr security);
  ~DeviceDirectory();

  // Before the shards start: closing a connection goes through the router.
  void bind_router(DeviceRouter& router);

  // Before the shards start: called on the shard when feedback on messages was committed.
  void on_feedback(std::function<void()> written) { on_feedback_ = std::move(written); }

  void receive(DeviceMessage message);
  void answer(ShardQuery query);
  // Connections are judged by it from now on; live ones stay.
  void set_security(HubSecurityPtr security);
  // The hub is going down: direct methods under way are answered and new ones refused, so that their callers
  // do not hold up the stop.
  void drain();
  // The wall clock was shifted: what ends by it is looked at again.
  void on_clock_shift();

  // Hands over what was not written down yet of when devices were heard of; for the end of the hub.
  void flush_activity() { activity_.flush(); }

  std::size_t actors() const { return actors_.size(); }
  const ConfigurationSet* configurations() const { return configurations_.get(); }
  std::uint64_t connected_devices() const { return connected_devices_; }
  const HubCounters& counters() const { return counters_; }

 private:
  friend class DeviceActor;

  void each_actor(void (DeviceActor::*step)());

  // For actors. on_settled may destroy the actor: it is the last thing a step does.
  void on_settled(const std::string& device);
  Executor& executor() { return services_.executor; }
  Stores& stores() { return services_.stores; }
  const Settings& settings() const { return services_.settings; }
  HubEvents& events() { return services_.events; }
  HubCounters& counters() { return counters_; }
  ActivityBook& activity() { return activity_; }
  C2dJournal& c2d_journal() { return c2d_journal_; }
  const HubSecurity& security() const { return *security_; }
  DeviceRouter& router();
  void on_device_presence(bool connected);
  void deployment_changed(const std::string& device);
  void feedback_written() {
    if (on_feedback_) on_feedback_();
  }
  void on_changed(const std::string& device);

  const Services services_;
  HubSecurityPtr security_;
  std::shared_ptr<const ConfigurationSet> configurations_;
  std::function<void(const std::string&)> on_deployment_changed_;
  std::function<void()> on_feedback_;
  DeviceRouter* router_ = nullptr;
  ShardCheck shard_check_;
  std::optional<ActivityRecord> last_heard_of(const Identity& id) const;

  ActivityBook activity_;  // outlives the actors, as the counters do
  HubCounters counters_;
  C2dJournal c2d_journal_{limits::kC2dEndsMax};
  std::unordered_map<std::string, std::unique_ptr<DeviceActor>> actors_;
  std::uint64_t connected_devices_ = 0;
  bool draining_ = false;
  // Of test control, by device; bound: limits::kWaitsMax of each shard.
  std::unordered_map<std::string, std::vector<WatchDevice>> watches_;
};

}  // namespace kyanite
