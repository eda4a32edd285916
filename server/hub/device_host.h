#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "protocol/base/executor.h"
#include "server/hub/device_messages.h"
#include "server/hub/hub_counters.h"
#include "storage/stores.h"

namespace kyanite {

class ConfigurationSet;
class HubEvents;

inline const GrantedFilter* find_filter(const std::vector<GrantedFilter>& filters, FilterKind kind) {
  for (const GrantedFilter& filter : filters) {
    if (filter.kind == kind) return &filter;
  }
  return nullptr;
}

// The live connection of an identity, as its owner sees it.
struct DeviceLink {
  ConnectionRef connection;
  Epoch epoch{};
  bool clean_session = false;  // its subscriptions end with it, as those of AMQP always do
  std::vector<GrantedFilter> filters;
  bool over_amqp = false;

  const GrantedFilter* find(FilterKind kind) const { return find_filter(filters, kind); }
};

// DeviceHost is what the parts of a device actor (C2dQueue, TwinState, MethodCalls) need of it.
//
// A part may name itself in the reply of a store operation and in a timer as long as it says that it is not
// quiet: the actor stays until all of its parts are. Everything runs on the owner's shard.
class DeviceHost {
 public:
  virtual ~DeviceHost() = default;
  virtual const std::string& device() const = 0;
  virtual Executor& executor() = 0;
  virtual Stores& stores() = 0;
  virtual const Settings& settings() const = 0;
  virtual HubEvents& events() = 0;
  virtual HubCounters& counters() = 0;  // of the shard

  // Committed, of the device (empty module) or one of its modules; nullptr when there is none.
  virtual const IdentityRecord* identity(const std::string& module) const = 0;
  virtual IdentityView view(const IdentityRecord& record) const = 0;
  // nullptr when nobody is connected.
  virtual const DeviceLink* link(const std::string& module) const = 0;
  // Those of the shard; nullptr when the hub has none.
  virtual const ConfigurationSet* configurations() const { return nullptr; }
  // It was committed that other configurations than before are for the edge device.
  virtual void deployment_changed() {}
  // Feedback on messages of the device was committed.
  virtual void feedback_written() {}
  // A message of the device ended so.
  virtual void message_ended(const C2dHeader& /*header*/, FeedbackStatus /*status*/) {}
  // To the live connection, in order; dropped when there is none.
  virtual void send(const std::string& module, ConnectionMessage message) = 0;
  // Something changed that test control may wait for.
  virtual void on_changed() {}
  // The last thing a reply's handler or a timer does: the actor may end here.
  virtual void settled() = 0;
};

}  // namespace kyanite
