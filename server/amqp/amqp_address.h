#pragma once

#include <string>
#include <string_view>

#include "protocol/base/ids.h"

namespace kyanite {

// What a link's address names (spec amqp.md 4).
enum class AmqpNode {
  cbs,
  management,  // $management, <entity>/$management
  c2d,         // messages/devicebound: the service sends
  feedback,    // messages/serviceBound/feedback
  file_notifications,
  events_redirect,  // messages/events...: whoever asks the hub for events is sent to the Event Hubs endpoint
  partition,        // <entity>/ConsumerGroups/<group>/Partitions/<n>
  producer,         // <entity>, <entity>/Partitions/<n>: nobody may
  device_events,    // devices/<id>[/modules/<m>]/messages/events
  device_c2d,       // .../messages/devicebound
  device_twin,      // .../twin
  device_methods,   // .../methods/devicebound
  unknown,
};

struct AmqpAddress {
  AmqpNode node = AmqpNode::unknown;
  Identity identity;      // of the device nodes
  std::string entity;     // of management, partition and producer: as written; empty for the bare $management
  std::string group;      // consumer group, as written
  std::string partition;  // as written
  std::string path;       // all of it, decoded, lower case: what claims are compared with
  std::string rest;       // of events_redirect: what stands behind messages/events, with its slash
};

// Reads a bare path, one with a leading slash, or a whole URI (spec 2.4): scheme and authority go, each
// segment is percent-decoded, fixed segments are compared ignoring case.
AmqpAddress parse_amqp_address(std::string_view text);

}  // namespace kyanite
