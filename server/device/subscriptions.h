#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/mqtt/packets.h"
#include "protocol/topics/device_topic.h"
#include "server/hub/device_messages.h"

namespace kyanite {

// Subscriptions are what one live connection is subscribed to: a few of the closed list of filters (spec
// device-mqtt.md 8.1, 8.2). The session that outlives the connection is its owner's (2.12).
//
// Owner: a MqttConnection. Bound: `max` distinct filters, and those of its stored session.
class Subscriptions {
 public:
  // Those of a stored session, alive from CONNACK on.
  void restore(const std::vector<GrantedFilter>& filters);

  // All or nothing: what each request was granted, in their order. Errors: Errc::topic_not_allowed with the
  // filter, for one that is not documented or too many.
  Result<std::vector<GrantedFilter>> add(const std::vector<mqtt::TopicRequest>& requests,
                                         const Identity& self, std::size_t max);
  // False for an unknown one.
  bool remove(std::string_view filter);
  bool has(FilterKind kind) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string filter;
    FilterKind kind;
  };
  std::vector<Entry> entries_;
};

}  // namespace kyanite
