#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/mqtt/packets.h"
#include "protocol/topics/device_topic.h"

namespace kyanite {

// Subscriptions of one connection: a few of the closed list of filters (spec device-mqtt.md 8.1, 8.2). They
// live as long as the connection; what a session keeps beyond it (2.12) is not offered yet, and Session
// Present says so.
//
// Owner: a MqttConnection. Bound: `max` distinct filters.
class Subscriptions {
 public:
  // All or nothing: the granted QoS of each request in order. Errors: Errc::topic_not_allowed with the
  // filter, for one that is not documented or too many.
  Result<std::vector<std::uint8_t>> add(const std::vector<mqtt::TopicRequest>& requests, const Identity& self,
                                        std::size_t max);
  void remove(std::string_view filter);  // unknown ones are ignored
  bool has(FilterKind kind) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string filter;
    FilterKind kind;
    std::uint8_t qos;
  };
  std::vector<Entry> entries_;
};

}  // namespace kyanite
