#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/hub/device_host.h"

namespace kyanite {

// Sessions are the subscriptions of a device and its modules: those stored for CleanSession 0 (spec
// device-mqtt.md 2.12). Pure memory; the actor writes what store_form() gives before it answers.
//
// Owner: a DeviceActor. Bound: limits::kSubscriptionsMax filters per identity, as the connection enforces.
class Sessions {
 public:
  void load(const std::vector<SessionRecord>& sessions);

  bool has_stored(const std::string& module) const { return stored_.contains(module); }
  // As a connection that keeps its session finds them.
  std::vector<GrantedFilter> stored(const Identity& identity) const;
  void replace(const std::string& module, const std::vector<GrantedFilter>& filters);
  void erase(const std::string& module) { stored_.erase(module); }
  void clear() { stored_.clear(); }

  static SessionRecord store_form(const Identity& identity, const std::vector<GrantedFilter>& filters);

 private:
  std::map<std::string, std::vector<StoredSubscription>> stored_;  // by module
};

// `filters` with `wanted` added: a known one gets the new QoS and keeps its time of creation.
std::vector<GrantedFilter> add_filters(std::vector<GrantedFilter> filters,
                                       const std::vector<GrantedFilter>& wanted, WallTime now);
std::vector<GrantedFilter> remove_filters(std::vector<GrantedFilter> filters,
                                          const std::vector<std::string>& unwanted);

}  // namespace kyanite
