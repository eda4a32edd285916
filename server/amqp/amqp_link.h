#pragma once

#include <cstdint>

#include "protocol/amqp/engine.h"

namespace kyanite {

class AmqpConnection;

// AmqpLink is the hub's end of one accepted link: what a node does with the messages, the credit and the
// outcomes of its peer. Classes derive from it for each kind of node.
//
// Owner: its AmqpConnection, from accept() until the link ends; destroyed then, whoever ended it. Calls on
// its shard only, never nested in one another. What a link sends or settles is written when the call returns.
class AmqpLink {
 public:
  AmqpLink(AmqpConnection& connection, amqp::LinkId id) : connection_(connection), id_(id) {}
  virtual ~AmqpLink() = default;
  AmqpLink(const AmqpLink&) = delete;
  AmqpLink& operator=(const AmqpLink&) = delete;

  amqp::LinkId id() const { return id_; }

  // A message came. Unless it is settled the link owes engine().settle() for it, now or later.
  virtual void on_message(const amqp::MessageReceived& message);
  // More may be sent than before: credit came, the session's window or the connection's output has room
  // again. Send while connection().may_send(id()) says so; when nothing is left to send and a drain is asked
  // for, call engine().drained(id()).
  virtual void on_room() {}
  // The peer's word on what was sent unsettled.
  virtual void on_outcome(const amqp::OutcomeReceived& /*outcome*/) {}
  // The hub stops, or the claim ended: called before the link is detached by the connection.
  virtual void on_ending() {}

 protected:
  AmqpConnection& connection() const { return connection_; }

 private:
  AmqpConnection& connection_;
  const amqp::LinkId id_;
};

}  // namespace kyanite
