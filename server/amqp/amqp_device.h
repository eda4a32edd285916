#pragma once

#include "protocol/amqp/engine.h"
#include "server/amqp/claims.h"
#include "server/hub/device_messages.h"

namespace kyanite {

class AmqpConnection;

// AmqpDevice is one device or module on an AMQP connection, which may carry many: to the device's owner it is
// what an MqttConnection is, with a ConnectionRef of its own. It attaches at the owner with its first link,
// answers the attaches of its links when the verdict is there, subscribes to what they ask for, and is
// detached when the last one ends (spec amqp.md 7).
//
// Owner: its AmqpConnection; its slot is in the shard's device table, by which messages of the owner find it.
class AmqpDevice {
 public:
  AmqpDevice(AmqpConnection& connection, ConnectionRef self, Identity identity, const Claim& claim);
  ~AmqpDevice();  // tells the owner

  void on_message(ConnectionMessage message);  // from the owner
  void on_committed(std::uint64_t sequence);   // a telemetry append of this device
  const Identity& identity() const;
};

}  // namespace kyanite
